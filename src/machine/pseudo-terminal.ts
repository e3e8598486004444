/** A pseudo terminal (pty(7)): this process reads and writes the master, and a command has the slave as its terminal. */
import { constants, openSync } from "node:fs";
import { callNumber } from "../abi/call-numbers.ts";
import { native, SystemCallError } from "./native.ts";

/** include/uapi/asm-generic/ioctls.h: the same on x86-64 and arm64. */
const request = {
  getSettings: 0x5401, // TCGETS
  setSettings: 0x5402, // TCSETS
  getSize: 0x5413, // TIOCGWINSZ
  setSize: 0x5414, // TIOCSWINSZ
  number: 0x80045430, // TIOCGPTN
  lock: 0x40045431, // TIOCSPTLCK
} as const;

/** More than a `struct termios` has (include/uapi/asm-generic/termbits.h: 36). */
const settingsSize = 64;
/** The offset of `c_oflag` in it. */
const outputFlags = 4;
/** A `struct winsize`: rows, columns, and both in pixels, of 16 bits each. */
const windowSize = 8;

export interface PseudoTerminal {
  /** The master's descriptor, which no command inherits. */
  readonly master: number;
  /** The slave's file, which a process opens. */
  readonly slave: string;
}

/** Makes one with the settings and the size of the terminal of this descriptor. @throws SystemCallError, Node's error */
export function openPseudoTerminal(like: number): PseudoTerminal {
  const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
  ioctl(master, request.lock, Buffer.alloc(4));
  const number = Buffer.alloc(4);
  ioctl(master, request.number, number);
  const settings = Buffer.alloc(settingsSize);
  ioctl(like, request.getSettings, settings);
  ioctl(master, request.setSettings, settings);
  copySize(like, master);
  return { master, slave: `/dev/pts/${number.readInt32LE()}` };
}

/** Gives a terminal the size of another one. Its foreground processes get SIGWINCH if that is a change. @throws SystemCallError */
export function copySize(from: number, to: number): void {
  const size = Buffer.alloc(windowSize);
  ioctl(from, request.getSize, size);
  ioctl(to, request.setSize, size);
}

/** The terminal writes bytes as they are: Node's raw mode leaves the change of "\\n" to "\\r\\n" (OPOST). @throws SystemCallError */
export function writeUnchanged(terminal: number): void {
  const settings = Buffer.alloc(settingsSize);
  ioctl(terminal, request.getSettings, settings);
  settings.writeUInt32LE(settings.readUInt32LE(outputFlags) & ~1, outputFlags);
  ioctl(terminal, request.setSettings, settings);
}

/** Lets the programs of a terminal draw it anew: they get SIGWINCH. @throws SystemCallError */
export function disturbSize(terminal: number): void {
  const size = Buffer.alloc(windowSize);
  ioctl(terminal, request.getSize, size);
  size.writeUInt16LE(Math.max(1, size.readUInt16LE() - 1));
  ioctl(terminal, request.setSize, size);
}

function ioctl(descriptor: number, number: number, argument: Buffer): void {
  const result = native().syscall(callNumber("ioctl"), descriptor, number, argument);
  if (result < 0) throw new SystemCallError("ioctl of a terminal", -result);
}
