/**
 * The compressed form of a trace: a sequence of blocks, each a gzip member of whole lines, so `zcat` prints the trace.
 *
 * A block states its own size in an extra field of its header (RFC 1952, 2.3.1.1). A reader therefore needs no
 * decompression to find the next block, tells a block that was cut short (the recorder was killed while it wrote) from
 * one that was changed, and continues behind damage.
 */
import { readSync } from "node:fs";
import { constants, crc32, deflateRawSync, gunzipSync, inflateRawSync } from "node:zlib";

/** ID1 ID2 CM FLG(FEXTRA) MTIME XFL OS(unknown), XLEN = 8, the subfield "PT" of 4 bytes: the size of the whole block. */
const start = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 8, 0, 0x50, 0x54, 4, 0]);
const headerSize = start.length + 4;
/** CRC-32 and size of the text. */
const trailerSize = 8;
/** Bytes of text at which a writer ends a block. Only a longer line makes a larger one. */
export const usualText = 4 << 20;
/** No line is as long; a larger size in a header is damage. */
const mostText = 64 << 20;
/** How much is searched at once for the block behind damage. */
const searchSize = 1 << 20;

/** Levels of zlib: `small` makes blocks that are a fifth smaller, in three times the time. */
const levels = { fast: 3, small: 6 } as const;
export type Compression = keyof typeof levels;

/**
 * For the block after this one. Most recordings repeat themselves so much that they stay far below 12 bytes a call with
 * the fast one; those that do not take the other. Between the two bounds it stays as it is.
 */
export function nextCompression(now: Compression, textSize: number, blockSize: number): Compression {
  if (now === "fast") return 13 * blockSize > textSize ? "small" : "fast";
  return 17 * blockSize < textSize ? "fast" : "small";
}

export function packBlock(text: Uint8Array, compression: Compression = "small"): Uint8Array {
  const body = deflateRawSync(text, { level: levels[compression] });
  const block = Buffer.alloc(headerSize + body.length + trailerSize);
  start.copy(block);
  block.writeUInt32LE(block.length, start.length);
  body.copy(block, headerSize);
  block.writeUInt32LE(crc32(text), headerSize + body.length);
  block.writeUInt32LE(text.length, headerSize + body.length + 4);
  return block;
}

/** Bytes of a file, at any offset. */
export interface ByteSource {
  readonly size: number;
  /** Fewer bytes than `length` only at the end. */
  read(offset: number, length: number): Buffer;
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { size: bytes.length, read: (offset, length) => buffer.subarray(offset, offset + length) };
}

/** A source that reads an open file. */
export function sourceOfFile(descriptor: number, size: number): ByteSource {
  return {
    size,
    read: (offset, length) => {
      const bytes = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
      let done = 0;
      while (done < bytes.length) {
        const count = readSync(descriptor, bytes, done, bytes.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
      return bytes.subarray(0, done);
    },
  };
}

export type BlockReading =
  | { readonly kind: "block"; readonly offset: number; readonly text: Buffer; readonly size: number }
  /** No block begins here, or its content differs from its checksum. */
  | { readonly kind: "damage"; readonly offset: number; readonly size: number }
  /** The last block is not whole: its writer was killed, or the disk was full. `text` are the lines that it still has. */
  | { readonly kind: "truncated"; readonly offset: number; readonly text: Buffer; readonly size: number };

/** Whether the file is compressed by gzip, in blocks or not. */
export function isCompressed(source: ByteSource): boolean {
  const bytes = source.read(0, 2);
  return bytes.length === 2 && bytes[0] === start[0] && bytes[1] === start[1];
}

export function isInBlocks(source: ByteSource): boolean {
  const bytes = source.read(0, start.length);
  return bytes.equals(start.subarray(0, bytes.length)) && bytes.length > 2;
}

export function* readBlocks(source: ByteSource): Generator<BlockReading> {
  let offset = 0;
  while (offset < source.size) {
    const block = blockAt(source, offset);
    if (block !== undefined) {
      yield { kind: "block", offset, ...block };
      offset += block.size;
      continue;
    }
    const next = nextBlock(source, offset + 1);
    const size = (next ?? source.size) - offset;
    if (next !== undefined || !isCutShort(source, offset)) yield { kind: "damage", offset, size };
    else yield { kind: "truncated", offset, size, text: linesOfCut(source.read(offset, size)) };
    offset += size;
  }
}

/** Undefined if no intact block begins there. */
function blockAt(source: ByteSource, offset: number): { readonly text: Buffer; readonly size: number } | undefined {
  const header = source.read(offset, headerSize);
  if (header.length < headerSize || header.compare(start, 0, start.length, 0, start.length) !== 0) return undefined;
  const size = header.readUInt32LE(start.length);
  if (size < headerSize + trailerSize || size > mostText || offset + size > source.size) return undefined;
  const block = source.read(offset, size);
  if (block.length < size) return undefined;
  const length = block.readUInt32LE(size - 4);
  if (length > mostText) return undefined;
  let text: Buffer;
  try {
    text = inflateRawSync(block.subarray(headerSize, size - trailerSize), { maxOutputLength: Math.max(1, length) });
  } catch {
    return undefined;
  }
  return text.length === length && crc32(text) === block.readUInt32LE(size - trailerSize) ? { text, size } : undefined;
}

function nextBlock(source: ByteSource, from: number): number | undefined {
  for (let at = from; at < source.size; at += searchSize - start.length) {
    const window = source.read(at, searchSize);
    for (let found = window.indexOf(start); found >= 0; found = window.indexOf(start, found + 1)) {
      if (blockAt(source, at + found) !== undefined) return at + found;
    }
  }
  return undefined;
}

/** Whether what is left is the beginning of one block. */
function isCutShort(source: ByteSource, offset: number): boolean {
  const header = source.read(offset, headerSize);
  if (!header.subarray(0, start.length).equals(start.subarray(0, Math.min(header.length, start.length)))) return false;
  if (header.length < headerSize) return true;
  const size = header.readUInt32LE(start.length);
  return size <= mostText && offset + size > source.size;
}

/** The whole lines at the beginning of a block that was cut short. Its checksum is missing. */
function linesOfCut(block: Buffer): Buffer {
  try {
    const body = block.subarray(headerSize);
    const text = inflateRawSync(body, { maxOutputLength: mostText, finishFlush: constants.Z_SYNC_FLUSH });
    return text.subarray(0, text.lastIndexOf(10) + 1);
  } catch {
    return Buffer.alloc(0);
  }
}

/**
 * The text of a gzip file that is not in blocks. With a cut-short file, the part before the cut.
 *
 * @throws Error with Node's code: ERR_BUFFER_TOO_LARGE beyond `most` bytes, Z_DATA_ERROR for damage
 */
export function inflateForeign(bytes: Uint8Array, most: number): Buffer {
  return gunzipSync(bytes, { maxOutputLength: most, finishFlush: constants.Z_SYNC_FLUSH });
}
