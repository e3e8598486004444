/** Reports the parts of a profile that portcullis does not implement or implements differently. */
import type { ArchitectureName } from "../../abi/architecture.ts";
import type { OciAction, OciHost } from "./profile.ts";
import type { JsonObject, OciReader } from "./reader.ts";

const native: { readonly [A in ArchitectureName]: string } = {
  x86_64: "SCMP_ARCH_X86_64",
  aarch64: "SCMP_ARCH_AARCH64",
};

/** The names of libseccomp 2.6 (seccomp_arch_resolve_name(3)), with the prefix of profiles. */
const architectures = (
  "X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC " +
  "PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB"
)
  .split(" ")
  .map((name) => `SCMP_ARCH_${name}`);

const flags = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/** Checks the members of the profile object itself. */
export function noteLosses(reader: OciReader, profile: JsonObject, host: OciHost): void {
  const list = profile.get("architectures");
  const map = profile.get("archMap");
  if (list !== undefined && map !== undefined && list.kind === "array" && list.elements.length > 0) {
    reader.refuse(map, "a profile has `architectures` or `archMap`, not both", "container runtimes refuse it too");
  }
  if (list !== undefined) {
    const others = reader.texts(list, "`architectures`").filter(({ value, at }) => isArchitecture(reader, value, at));
    noteForeign(
      reader,
      list,
      others.map(({ value }) => value).filter((name) => name !== native[host.architecture]),
      host,
    );
  }
  if (map !== undefined) noteArchitectureMap(reader, map, host);
  const flagList = profile.get("flags");
  if (flagList !== undefined) {
    for (const element of reader.list(flagList, "`flags`") ?? []) {
      const flag = reader.choice(element, "flag", flags);
      if (flag === "SECCOMP_FILTER_FLAG_LOG") {
        reader.report("P0701", element, "refusals are not written to the kernel's audit log", "use --events");
      } else if (flag === "SECCOMP_FILTER_FLAG_SPEC_ALLOW") {
        reader.report("P0701", element, "the mitigation of speculative store bypass stays as the kernel has it");
      }
    }
  }
  noteListener(reader, profile);
}

/** An empty string means absent, as in Go. */
function noteListener(reader: OciReader, profile: JsonObject): void {
  const [path, metadata] = ["listenerPath", "listenerMetadata"].map((name) => {
    const node = profile.get(name);
    const isGiven = node !== undefined && (reader.text(node, `\`${name}\``) ?? "") !== "";
    return isGiven ? node : undefined;
  });
  if (path !== undefined) reader.report("P0701", path, "no engine supports the listener of `listenerPath`");
  if (metadata === undefined) return;
  if (path === undefined) {
    reader.refuse(
      metadata,
      "`listenerMetadata` is for the listener of `listenerPath`, which is missing",
      "leave it out",
    );
  } else {
    reader.report("P0701", metadata, "no engine supports the listener of `listenerMetadata`");
  }
}

/** Reports each action once, at its first use. */
export function noteAction(reader: OciReader, action: OciAction): void {
  if (action.name === "SCMP_ACT_TRACE") {
    reader.report("P0701", action.at, "there is no tracer: the call fails with ENOSYS, as in the kernel");
  } else if (action.name === "SCMP_ACT_NOTIFY") {
    reader.report("P0701", action.at, "there is no listener: the call fails with ENOSYS, as in the kernel");
  }
}

function noteArchitectureMap(reader: OciReader, map: Parameters<OciReader["list"]>[0], host: OciHost): void {
  for (const element of reader.list(map, "`archMap`") ?? []) {
    const entry = reader.object(element, "an entry of `archMap`");
    if (entry === undefined) continue;
    entry.onlyHas(["architecture", "subArchitectures"]);
    const main = entry.need("architecture");
    const name = main === undefined ? undefined : reader.text(main, "`architecture`");
    if (main !== undefined && name !== undefined) isArchitecture(reader, name, main);
    const subNode = entry.get("subArchitectures");
    if (subNode === undefined) continue;
    const subs = reader
      .texts(subNode, "`subArchitectures`")
      .filter(({ value, at }) => isArchitecture(reader, value, at));
    if (name === native[host.architecture])
      noteForeign(
        reader,
        subNode,
        subs.map(({ value }) => value),
        host,
      );
  }
}

function isArchitecture(reader: OciReader, name: string, at: { start: number; end: number }): boolean {
  if (architectures.includes(name)) return true;
  reader.refuse(at, `there is no architecture ${JSON.stringify(name.slice(0, 80))}`, 'like "SCMP_ARCH_X86_64"');
  return false;
}

const foreignAbis: { readonly [A in ArchitectureName]: readonly string[] } = {
  x86_64: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  aarch64: ["SCMP_ARCH_ARM"],
};

function noteForeign(
  reader: OciReader,
  at: { start: number; end: number },
  names: readonly string[],
  { architecture }: OciHost,
): void {
  const possible = names.filter((name) => foreignAbis[architecture].includes(name));
  if (possible.length === 0) return;
  reader.report(
    "P0701",
    at,
    `programs of ${possible.map((name) => name.replace("SCMP_ARCH_", "")).join(" and ")} are refused: each of their calls fails with ENOSYS`,
    "a foreign ABI is refused before any policy; run programs built for this machine",
  );
}
