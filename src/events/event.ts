/**
 * The types of events. `--events` writes one JSON object per line; readers ignore unknown members, and `v` changes when
 * the meaning of a member does.
 */
import type { HostRoute } from "../hosts/refusal.ts";
import type { Action } from "../ir/verdicts.ts";
import type { Answered } from "./record.ts";

export type PolicyEvent = DecisionEvent | ReportEvent | NoticeEvent | EndEvent | HostEvent;

/** The tree of an event, in the lines of `portcullis agent`. */
export interface Origin {
  /** The name of the container in its pod. */
  readonly container?: string;
  readonly containerId?: string;
  readonly pod?: string;
  readonly namespace?: string;
  /** The program and the process of a command that `portcullis run` has handed over. Only the agent's status has it. */
  readonly command?: string;
  readonly pid?: number;
}

interface Common {
  readonly v: 1;
  /** Seconds since the epoch, with a fraction. */
  readonly time: number;
}

/** The actions that become events. */
export type ReportedAction = Exclude<Action, "allow">;

/** An evaluation whose verdict was not a plain allow. */
export interface DecisionEvent extends Common {
  readonly kind: "decision";
  readonly pid: number;
  readonly tid: number;
  readonly command: string;
  readonly call: string;
  readonly number: number;
  /** In the kernel's order. A pointer whose memory the policy asks about has that memory as its text. */
  readonly arguments: readonly { readonly name: string; readonly text: string }[];
  /** The judged memory, by the name of the argument that points to it. */
  readonly memory?: Readonly<Record<string, MemoryJson>>;
  /** Arguments of whose memory a part is left out here: it was judged as a whole. */
  readonly cut?: readonly string[];
  readonly verdict: ReportedAction;
  readonly errno?: string;
  /** With the verdict "ask", unless it was only recorded: the result of the question. */
  readonly answered?: Answered;
  /** With errno "0": the value that the call returns without being made. */
  readonly returns?: 0;
  /** The phase, or each declared phase's name, before the evaluation. */
  readonly phases?: Readonly<Record<string, string>>;
  readonly reason?: string;
  /** A remedy, if it depends on more than the call. */
  readonly advice?: string;
  /** The options of `run` that permit it, if a parameter of the policy does: `["--set", "write=/srv/data"]`. */
  readonly permit?: readonly string[];
  /** "policies/nginx.ts:29:7". Absent if portcullis itself refuses (a foreign ABI, an unknown number). */
  readonly rule?: string;
  readonly policy: string;
  /** See PolicyDescription. */
  readonly digest?: string;
  /** With a denial by the policy's declarations about objects. */
  readonly object?: ObjectJson;
  /** The verdict was only recorded (`run --audit`). */
  readonly audit?: true;
  /** The number of calls that this event stands for; 1 if it is absent. */
  readonly count?: number;
  /** The paths of a search for a file in several directories, one for each call. */
  readonly paths?: readonly TextJson[];
}

/** What Landlock has denied; `blockers` are the missing rights in the kernel's words: "fs.read_file". */
export interface ObjectJson {
  readonly blockers: readonly string[];
  /** The path that the kernel knows, with links followed. */
  readonly path?: TextJson;
  /** The name of an abstract socket. */
  readonly name?: TextJson;
  readonly port?: number;
  readonly address?: string;
  readonly pid?: number;
}

/** Memory behind a pointer: a path or another text, a list of texts, a socket address, a structure by its fields. */
export type MemoryJson = TextJson | readonly EntryJson[] | AddressJson | Readonly<Record<string, string>>;

/** Bytes that are not UTF-8 are hexadecimal. */
export type TextJson = string | { readonly hex: string };

/** `starts`: the rest of the entry is left out. */
export type EntryJson = TextJson | { readonly starts: TextJson };

export type AddressJson = (
  | { readonly kind: "ip"; readonly address: string; readonly port: number }
  /** Without an address where it is too short for one. */
  | { readonly kind: "unspecified"; readonly address?: string; readonly port?: number }
  | { readonly kind: "unix"; readonly path: TextJson }
  | { readonly kind: "abstract"; readonly name: TextJson }
  | { readonly kind: "none" | "unnamed" | "netlink" | "vsock" }
  | { readonly kind: "other"; readonly family: number }
) & {
  /** The bytes of a message's control data. */
  readonly controllen?: number | string;
};

/** `report("text", { … })` in a policy. */
export interface ReportEvent extends Common {
  readonly kind: "report";
  readonly pid: number;
  readonly tid: number;
  readonly call: string;
  readonly text: string;
  readonly values: Readonly<Record<string, string | boolean>>;
  readonly rule?: string;
  readonly policy: string;
  readonly digest?: string;
}

/** A message about the run itself: dropped events, a filter without users, an engine's warning. */
export interface NoticeEvent extends Common {
  readonly kind: "notice";
  readonly text: string;
  readonly dropped?: number;
}

/** A host that the tree has asked for and may not reach. */
export interface HostEvent extends Common {
  readonly kind: "host";
  /** A name or an address, as it was judged. */
  readonly host: string;
  /** Absent if the tree has asked for a name's address. */
  readonly port?: number;
  /** How it asked: by CONNECT or a request to the proxy, by SOCKS, by a connection to an address, for a name's address. */
  readonly route: HostRoute;
  readonly verdict: "deny";
  readonly reason: string;
  /** "--hosts", or the list's place: "agent.ts:3:9". Absent if no list decides. */
  readonly rule?: string;
  /** The options of `run` that permit it, besides those that are given: `["--hosts", "example.org:443"]`. */
  readonly permit?: readonly string[];
  readonly policy: string;
  readonly digest?: string;
}

/** SIGSYS has ended the command: a static kill or trap, about which the kernel gives no other information. */
export interface EndEvent extends Common {
  readonly kind: "end";
  /** The command's first process. */
  readonly pid: number;
  /** portcullis's exit status. */
  readonly status: number;
  /** Absent if that process exited by itself, with the status that a shell gives for a child that SIGSYS has killed. */
  readonly signal?: "SIGSYS";
  /** The call, if the kernel's audit records it. */
  readonly call?: string;
  readonly number?: number;
  readonly text: string;
  readonly policy: string;
  readonly digest?: string;
}
