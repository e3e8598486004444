/**
 * The numbers that the C parts and TypeScript share, and those of the kernel's headers: a C compiler compares each with that
 * of TypeScript. Each language has its own definitions, so that either can be read alone; this test shows that they are
 * equal.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { auditArchitecture, hostArchitecture, x32Bit } from "../../src/abi/architecture.ts";
import { mapFlags, mapTypes, programFlags, programTypes, pseudo } from "../../src/abi/bpf-numbers.ts";
import { copyError } from "../../src/abi/copy-errors.ts";
import { declarationKinds, mostDeclaredBytes } from "../../src/abi/declared-arguments.ts";
import { errno } from "../../src/abi/errno-numbers.ts";
import { fileRights, kernelOfAbi, maskOf, portRights, scopeRights } from "../../src/abi/landlock.ts";
import { atWorkingDirectory, closeOnExec } from "../../src/abi/open-numbers.ts";
import { cloneFlag } from "../../src/abi/process-calls.ts";
import { returnAction } from "../../src/abi/return-word.ts";
import { seccompData, seccompDataSize } from "../../src/abi/seccomp-data.ts";
import { signals } from "../../src/abi/signals.ts";
import * as agent from "../../src/agent/local/protocol.ts";
import * as format from "../../src/backend/bundle/format.ts";
import { largestLayers, ruleFlags, ruleKinds } from "../../src/backend/landlock/encode.ts";
import { addresses } from "../../src/backend/wasm/layout.ts";
import {
  launcherFlag,
  launcherStage,
  messageKind,
  orderKind,
  orders,
  startedDetail,
} from "../../src/engines/launcher/launcher.ts";
import { mostRemembered, orderKinds } from "../../src/engines/notify/objects/served-calls.ts";
import { outcomeNumber } from "../../src/engines/notify/pin/outcome.ts";
import { closeMark, endMark, stubSize, windowPlaces } from "../../src/engines/notify/pin/own-calls.ts";
import { again, arrivalNumber } from "../../src/engines/notify/pin/pinning.ts";
import { laterPlaces, windowRange } from "../../src/engines/notify/pin/window-rules.ts";
import { mostObservations } from "../../src/engines/notify/text-filter.ts";
import { holdObstacles, pinObstacles } from "../../src/events/record.ts";
import { maximumParameters, maximumRooms, maximumSides } from "../../src/ir/limits.ts";
import { mostLayers } from "../../src/ir/objects.ts";
import { closeOnExecFlag, pollBits, setDescriptorFlags } from "../../src/machine/descriptors.ts";
import { mostDeaths } from "../../src/machine/native.ts";
import { judgedLayout } from "../../src/machine/pinned-calls.ts";
import { traceEvent, traceOptions } from "../../src/machine/ptrace.ts";
import { continueFlag, notifyRequest } from "../../src/machine/seccomp.ts";
import { lineFlags, lineLayout, lineWords } from "../../src/observe/record/held-lines.ts";
import {
  mostCalls,
  mostContent,
  readKinds,
  reason,
  stage,
  stateAt,
  stateWords,
} from "../../src/observe/record/notify/answering.ts";
import { callLayout, readState, recordKind } from "../../src/observe/record/notify/notifications.ts";
import { controlWords, headSize, skip } from "../../src/observe/record/notify/ring.ts";
import { copyErrorsHeader, emitCopyErrors } from "../../tools/generate/copy-errors.ts";

type Facts = readonly (readonly [expression: string, value: number | bigint])[];

/** A C compiler's errors about a program that asserts each fact; empty if all of them hold. */
function faultsOf(includes: readonly string[], facts: Facts): string {
  const program = [
    ...includes.map((file) => `#include ${file}`),
    "#include <stddef.h>",
    ...facts.map(([expression, value]) => `_Static_assert((${expression}) == ${value}LL, "${value}");`),
  ].join("\n");
  const headers = ["native/launcher", "native/addon", "node_modules/node-api-headers/include"].map(
    (one) => `-I${join(process.cwd(), one)}`,
  );
  const ran = spawnSync("cc", ["-std=gnu11", "-w", "-fsyntax-only", ...headers, "-x", "c", "-"], {
    input: `${program}\n`,
    encoding: "utf8",
  });
  expect(ran.error).toBeUndefined();
  return ran.status === 0 ? "" : ran.stderr;
}

const named = (prefix: string, numbers: Readonly<Record<string, number | bigint>>, spelled = upper): Facts =>
  Object.entries(numbers).map(([name, value]) => [`${prefix}${spelled(name)}`, value]);
const upper = (name: string): string =>
  name
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .replace(/-/g, "_")
    .toUpperCase();
const asIs = (name: string): string => name;

describe("numbers that TypeScript and C share", () => {
  it("are compared: a wrong one is a fault", () => {
    expect(faultsOf([], [["1 + 1", 2]])).toBe("");
    expect(faultsOf([], [["1 + 1", 3]])).toContain("static assertion failed");
  });

  it("in the conversation with the launcher", () => {
    const facts: Facts = [
      ["ORDERS_MAGIC", orders.magic],
      ["sizeof(struct orders_header)", orders.headerSize],
      ["offsetof(struct orders_header, descriptor)", orders.descriptor],
      ["offsetof(struct orders_header, time_limit)", orders.timeLimit],
      ["offsetof(struct orders_header, token)", orders.token],
      ["offsetof(struct orders_header, layers_size)", orders.layersSize],
      ["offsetof(struct orders_header, variables_size)", orders.variablesSize],
      ["offsetof(struct orders_header, label)", orders.label],
      ["sizeof(struct message)", orders.messageSize],
      ...named("", orderKind),
      ...named("", messageKind),
      ...named("", launcherFlag),
      ...named("", launcherStage),
      ...named("", startedDetail),
    ];
    expect(faultsOf(['"orders.h"', '"extended.h"'], facts)).toBe("");
  });

  it("in the conversation of a front with an agent", () => {
    const { magic, size, words, variables, stringsSize, identities, identitySize, mostStrings } = agent.request;
    const facts: Facts = [
      ["AGENT_MAGIC", magic],
      ["sizeof(struct agent_request)", size],
      ["offsetof(struct agent_request, words)", words],
      ["offsetof(struct agent_request, variables)", variables],
      ["offsetof(struct agent_request, size)", stringsSize],
      ["offsetof(struct agent_request, mounts)", identities],
      ["sizeof(struct identity)", identitySize],
      ["MAX_REQUEST_STRINGS", mostStrings],
      ["sizeof(struct agent_message)", agent.message.size],
      ["MAX_TEXT", agent.message.mostText],
      ...named("", agent.messageKind),
    ];
    expect(faultsOf(['"agent.h"'], facts)).toBe("");
  });

  it("in the format of bundles", () => {
    const structures = {
      policy: "policy_entry",
      program: "instruction_entry",
      relocations: "relocation_entry",
      maps: "map_entry",
      states: "state_entry",
      launchFields: "launch_field_entry",
      parameters: "parameter_entry",
      declared: "declared_entry",
      rooms: "room_entry",
    };
    const facts: Facts = [
      ...format.sections.map(({ name }, index) => [upper(name), index + 1] as const),
      ...format.sections.flatMap(({ name, entry }) =>
        name in structures ? [[`sizeof(struct ${structures[name as keyof typeof structures]})`, entry] as const] : [],
      ),
      ["MAX_BUNDLE_SIZE", format.largestBundle],
      ["ENTIRELY_CLASSIC", format.traits.classicIsAll],
      ["UNPRIVILEGED", format.traits.unprivileged],
      ["SECCOMP_EBPF_LOCK", format.attachFlags.lock],
      ["SECCOMP_EBPF_MATCH", format.attachFlags.match],
      ["RELOCATE_MAP", format.relocationKinds.indexOf("map") + 1],
      ["RELOCATE_FUNCTION", format.relocationKinds.indexOf("kernel-function") + 1],
      ...format.mapContents.map((name, index) => [`HOLDS_${upper(name)}`, index + 1] as const),
      ...Object.entries(format.launchContents).map(([name, { number }]) => [`LAUNCH_${upper(name)}`, number] as const),
      ...Object.entries(format.parameterKinds).map(([name, number]) => [`${upper(name)}_PARAMETER`, number] as const),
      ["HAS_DEFAULT", format.parameterTraits.hasDefault],
      ["MAX_PARAMETERS", maximumParameters],
      ["MAX_MAPS", format.sections.find(({ name }) => name === "maps")!.most],
      ["MAX_STATES", format.sections.find(({ name }) => name === "states")!.most],
      ["MAX_INSTRUCTIONS", format.sections.find(({ name }) => name === "classic")!.most],
      ["MAX_DECLARED", format.sections.find(({ name }) => name === "declared")!.most],
      ["MAX_DECLARED_SIZE", mostDeclaredBytes],
      ["DECLARED_KINDS", Object.keys(declarationKinds).length],
      ["offsetof(struct seccomp_ebpf_attach, args)", 64],
      ["offsetof(struct seccomp_ebpf_attach, rooms)", 80],
      ["sizeof(struct seccomp_ebpf_attach)", 96],
      ["sizeof(struct seccomp_ebpf_room)", 32],
      ["MAX_ROOMS", maximumRooms],
      ["MAX_SIDES", maximumSides],
      ["ROOM_SCOPES", Object.keys(format.roomScopes).length],
      ["(uint32_t)NONE", format.none],
      ["PROGRAM_TYPE_SECCOMP", programTypes.seccomp],
      ["BPF_F_SEALABLE", mapFlags.sealable],
    ];
    expect(faultsOf(['"orders.h"', '"extended.h"', '"bundle.h"'], facts)).toBe("");
  });

  it("in the layers of a policy", () => {
    const facts: Facts = [
      ["sizeof(struct layer_header)", 16],
      ["sizeof(struct layer_rule)", 16],
      ["BENEATH", ruleKinds.beneath],
      ["FOR_PORT", ruleKinds.port],
      ["EXCEPT", ruleKinds.except],
      ["FOR_STREAMS", ruleKinds.streams],
      ["MAY_BE_MISSING", ruleFlags.mayBeMissing],
      ["IS_WHOLE", ruleFlags.isWhole],
      ["EXECUTE", maskOf(fileRights, ["execute"])],
      ["REFER", maskOf(fileRights, ["refer"])],
      ["RESOLVE_UNIX", maskOf(fileRights, ["resolve-unix"])],
      ["MAX_LAYERS", mostLayers],
      ["MAX_LAYERS_SIZE", largestLayers],
    ];
    expect(faultsOf(['"layer_format.h"'], facts)).toBe("");
  });

  it("in the levels of Landlock that have a right", () => {
    const text = readFileSync("native/launcher/layers.c", "utf8");
    const rows = [
      ...text.matchAll(
        /^ {4}\{(?:FILES|PORTS|SCOPE), [^,]+, (\d+), "cannot restrict .*, which needs Linux ([\d.]+)"\},$/gm,
      ),
    ];
    expect(rows.length).toBe(8);
    for (const [, level, linux] of rows) expect(linux).toBe(kernelOfAbi[Number(level)]);
    const levels = [fileRights, portRights, scopeRights].flatMap((table) => Object.values(table).map(({ abi }) => abi));
    expect([...new Set(rows.map(([, level]) => Number(level)))].sort()).toEqual(
      [...new Set(levels)].filter((abi) => abi > 1).sort(),
    );
  });

  it("in the kernel's header of Landlock, as far as this machine's has them", () => {
    const header = readFileSync("/usr/include/linux/landlock.h", "utf8");
    const all = [
      ...Object.entries(fileRights).map(([name, right]) => [`LANDLOCK_ACCESS_FS_${upper(name)}`, right] as const),
      ...Object.entries(portRights).map(([name, right]) => [`LANDLOCK_ACCESS_NET_${upper(name)}`, right] as const),
      ["LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET", scopeRights["abstract-socket"]] as const,
      ["LANDLOCK_SCOPE_SIGNAL", scopeRights.signal] as const,
    ].filter(([name]) => header.includes(name));
    expect(all.length).toBeGreaterThan(15);
    expect(
      faultsOf(
        ["<linux/landlock.h>"],
        all.map(([name, { bit }]) => [name, 2 ** bit]),
      ),
    ).toBe("");
  });

  it("in the memory that the addon and a policy share", () => {
    const facts: Facts = [
      ["NOTIFICATION", addresses.notification],
      ["RESPONSE", addresses.response],
      ["NOW", addresses.now],
      ["CALLER_TID", addresses.tid],
      ["JUDGEMENT_END", addresses.reports],
      ["MAXIMUM_DEATHS", mostDeaths],
      ["offsetof(struct seccomp_notif, id)", addresses.id],
      ["offsetof(struct seccomp_notif, pid)", addresses.notifiedPid],
      ["offsetof(struct seccomp_notif, flags)", addresses.flags],
      ["offsetof(struct seccomp_notif, data.nr)", addresses.number],
      ["offsetof(struct seccomp_notif, data.args)", addresses.arguments],
    ];
    expect(faultsOf(['"loop/loop.c"'], facts)).toBe("");
  });

  it("in the pinning of calls", () => {
    const obstacles = [
      ...["NO_TRACE", "UNREADABLE", "OCCUPIED", "NO_DESCRIPTOR", "NOT_MAPPED", "NOT_PROTECTED", "NO_STACK", "NO_ROOM"],
      ...["NO_MEMORY", "DISPATCHED", "STARVED", "STALLED", "NO_WINDOW"],
    ];
    expect(obstacles).toHaveLength(pinObstacles.length);
    const facts: Facts = [
      ...named("", outcomeNumber),
      ...obstacles.map((name, index) => [name, outcomeNumber.noTrace + index] as const),
      ...named("", arrivalNumber),
      ["AGAIN", again],
      ["CLOSE_MARK >> 32", closeMark],
      ["END_MARK >> 32", endMark],
      ["WINDOW_START", windowRange.start],
      ["CODE_SIZE", stubSize[hostArchitecture()!]],
      ["SECOND_PLACE", laterPlaces.start],
      ["LATER_SIZE", laterPlaces.size],
      ["PLACES", windowPlaces.length],
      ["WINDOW_END", windowRange.end],
      ["sizeof(struct judged)", judgedLayout.size],
    ];
    expect(faultsOf(['"pin/pin.h"'], facts)).toBe("");
  });

  it("in the errors of copying a caller's memory", () => {
    expect(faultsOf(['"pin/copy_errors.h"'], named("COPY_", copyError))).toBe("");
    expect(readFileSync(copyErrorsHeader, "utf8"), "run npm run generate").toBe(emitCopyErrors());
  });

  it("in the text filter", () => {
    expect(faultsOf(['"pin/text_filter.h"'], [["TEXT_OBSERVATIONS", mostObservations]])).toBe("");
  });

  it("in the service of objects", () => {
    const obstacles = holdObstacles.filter((name) => name !== "landlock");
    const spelled = (name: string): string => (name === "no-memory" ? "NOT_ENOUGH_MEMORY" : upper(name));
    const facts: Facts = [
      ["OPENS", orderKinds.open],
      ["OPENS_STRICTLY", orderKinds.openat2],
      ["CONNECTS", orderKinds.connect],
      ...obstacles.map((name, index) => [spelled(name), index + 1] as const),
      ["2 * MOST_CALLS", mostRemembered],
    ];
    expect(faultsOf(['"objects/objects.c"'], facts)).toBe("");
  });

  it("in recordings", () => {
    const { path, strings, address, message, structure } = readKinds;
    const facts: Facts = [
      ...named("", stage),
      ...named("", reason),
      ...named("", stateAt),
      ["STATE_WORDS", stateWords],
      ["CALLS", mostCalls],
      ["CONTENT", mostContent],
      ["TIME", callLayout.time],
      ["READS", callLayout.reads],
      ["MEMORY", callLayout.memory],
      ...named("", readState),
      ["WRITTEN", controlWords.written],
      ["READ", controlWords.read],
      ["HEAD", headSize],
      ["SKIP", skip],
      ["CALL", recordKind.call],
      ["TEXT", path],
      ["LIST", strings],
      ["ADDRESS", address],
      ["MESSAGE", message],
      ["STRUCTURE", structure],
    ];
    expect(faultsOf(['"record/recording.c"'], facts)).toBe("");
    const { instructionPointer, registerCount, ...alike } = lineLayout;
    const lines: Facts = [
      ...named("", alike),
      ["POINTER", instructionPointer],
      ["COUNT", registerCount],
      ["WORDS", lineWords],
      ["IS_CALL", lineFlags.call],
      ["HAS_RESULT", lineFlags.result],
      ["HAS_POINTER", lineFlags.instructionPointer],
    ];
    expect(faultsOf(['"record/lines.c"'], lines)).toBe("");
  });
});

describe("numbers of the kernel", () => {
  it("of seccomp", () => {
    const { number, architecture, instructionPointer, arguments: registers } = seccompData;
    const facts: Facts = [
      ["offsetof(struct seccomp_data, nr)", number.offset],
      ["offsetof(struct seccomp_data, arch)", architecture.offset],
      ["offsetof(struct seccomp_data, instruction_pointer)", instructionPointer.offset],
      ["offsetof(struct seccomp_data, args)", registers.offset],
      ["sizeof(struct seccomp_data)", seccompDataSize],
      ...named("SECCOMP_RET_", returnAction, asIs),
      ["SECCOMP_IOCTL_NOTIF_RECV", notifyRequest.receive],
      ["SECCOMP_IOCTL_NOTIF_SEND", notifyRequest.send],
      ["SECCOMP_IOCTL_NOTIF_ID_VALID", notifyRequest.idValid],
      ["_IOW('!', 4, __u64)", notifyRequest.setFlags],
      ["SECCOMP_USER_NOTIF_FLAG_CONTINUE", continueFlag],
      ["AUDIT_ARCH_X86_64", auditArchitecture.x86_64],
      ["AUDIT_ARCH_AARCH64", auditArchitecture.aarch64],
    ];
    expect(faultsOf(["<linux/seccomp.h>", "<linux/audit.h>", "<sys/ioctl.h>"], facts)).toBe("");
  });

  it("of bpf", () => {
    const facts: Facts = [
      ["BPF_PROG_TYPE_SOCKET_FILTER", programTypes.socketFilter],
      ["BPF_PROG_TYPE_SCHED_CLS", programTypes.schedulerClassifier],
      ["BPF_PROG_TYPE_SYSCALL", programTypes.systemCall],
      ["BPF_F_SLEEPABLE", programFlags.sleepable],
      ["BPF_MAP_TYPE_HASH", mapTypes.hash],
      ["BPF_MAP_TYPE_ARRAY", mapTypes.array],
      ["BPF_MAP_TYPE_RINGBUF", mapTypes.ringBuffer],
      ["BPF_F_RDONLY_PROG", mapFlags.readOnlyForPrograms],
      ["BPF_F_MMAPABLE", mapFlags.mappable],
      ["BPF_PSEUDO_MAP_FD", pseudo.map],
      ["BPF_PSEUDO_MAP_VALUE", pseudo.mapValue],
      ["BPF_PSEUDO_CALL", pseudo.localCall],
      ["BPF_PSEUDO_KFUNC_CALL", pseudo.kernelCall],
    ];
    expect(faultsOf(["<linux/bpf.h>"], facts)).toBe("");
  });

  it("of processes, signals and descriptors", () => {
    const { creation, exec } = traceOptions;
    const facts: Facts = [
      ...named("", errno, asIs),
      ...named("", signals, asIs),
      ["CLONE_VM", cloneFlag.vm],
      ["CLONE_THREAD", cloneFlag.thread],
      ["CLONE_UNTRACED", cloneFlag.untraced],
      ["PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE", creation],
      ["PTRACE_O_TRACEEXEC", exec],
      ...named("PTRACE_EVENT_", traceEvent),
      ["EPOLLIN", pollBits.in],
      ["EPOLLOUT", pollBits.out],
      ["EPOLLERR", pollBits.error],
      ["EPOLLHUP", pollBits.hangUp],
      ["F_SETFD", setDescriptorFlags],
      ["FD_CLOEXEC", closeOnExecFlag],
      ["AT_FDCWD", atWorkingDirectory],
      ["O_CLOEXEC", closeOnExec],
    ];
    const headers = ["errno", "ptrace", "eventpoll", "fcntl", "sched"].map((name) => `<linux/${name}.h>`);
    expect(faultsOf([...headers, "<asm/signal.h>"], facts)).toBe("");
    if (process.arch === "x64") expect(faultsOf(["<asm/unistd.h>"], [["__X32_SYSCALL_BIT", x32Bit]])).toBe("");
  });
});
