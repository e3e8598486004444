/**
 * Every diagnostic of portcullis, one entry per code.
 *
 * A published code never changes its meaning, so that people can look it up and scripts can rely on it; the wording may
 * be improved. Append, never renumber. P01xx names, P02xx types and numbers, P03xx shape of the language, P04xx
 * state, P05xx warnings about meaning, P06xx engines, P07xx OCI profiles, P08xx traces and case files, P09xx command
 * line and files.
 */
import type { Diagnostic, Severity, Span } from "./diagnostic.ts";

export interface CatalogueEntry {
  readonly severity: Severity;
  /** The heading of the code in a list, not the message. */
  readonly title: string;
}

const error = (title: string): CatalogueEntry => ({ severity: "error", title });
const warning = (title: string): CatalogueEntry => ({ severity: "warning", title });

export const catalogue = {
  P0101: error("unknown system call"),
  P0102: error("unknown argument of a system call"),
  P0103: error("unknown errno"),
  P0104: error("unknown name of a flag or value"),
  P0105: error("unknown name"),
  P0106: error("unknown member"),
  P0107: error("a module that is not found"),
  P0108: error("a name that the module does not export"),
  P0109: error("a name that is declared twice"),
  P0110: error("a parameter without a value"),
  P0111: error("an invalid value of a parameter"),
  P0112: error("unknown parameter"),
  P0113: error("unknown type"),

  P0201: error("a floating-point number"),
  P0202: error("an integer as a condition"),
  P0203: error("an integer that can leave 64 bits"),
  P0204: error("a comparison that is always or never true"),
  P0205: error("a string as a condition"),
  P0206: error("a CIDR block with host bits set"),
  P0207: error("a value of another type"),
  P0208: error("a comparison of different types"),
  P0209: error("a division by a value that may be zero"),
  P0210: error("a shift by an amount outside 0 to 63"),
  P0211: error("arguments of an unknown call"),
  P0212: error("a wrong number of arguments"),
  P0213: error("a value out of range"),
  P0214: error("a malformed string"),
  P0215: error("patterns that are too complex, alone or together"),

  P0300: error("not TypeScript"),
  P0301: error("a module's variable as state"),
  P0302: error("recursion"),
  P0303: error("a loop without a constant bound"),
  P0304: error("a name of JavaScript's standard library"),
  P0305: error("a path without a verdict"),
  P0306: error("state declared inside the step"),
  P0307: error("a cast"),
  P0308: error("a module that is not a policy's"),
  P0309: error("an unsupported construct"),
  P0310: error("a value that is not known when the policy is compiled"),
  P0311: error("a case that falls through"),
  P0312: error("a module without a policy"),
  P0313: error("modules that import each other"),
  P0314: error("a policy that is too large"),
  P0315: error("a statement that does nothing"),
  P0316: error("an assignment to a constant"),
  P0317: error("code that is never reached"),
  P0318: error("code that is nested too deeply"),
  P0319: error("a construct of the step at the top of a module"),
  P0320: error("a variable that is used before it has a value"),
  P0399: error("an internal error of the compiler"),

  P0401: error("an earlier phase is entered"),
  P0402: error("a broken promise"),
  P0403: error("a full table that allows"),
  P0404: warning("a limit that forking resets"),
  P0405: warning("a phase that no rule enters"),
  P0406: error("an invalid capacity of a table"),
  P0407: error("more state than a scope can hold"),
  P0408: error("a rate that does not fit 64 bits"),
  P0409: error("unknown phase"),
  P0410: error("an invalid flow"),
  P0411: error("invalid rooms"),
  P0412: error("unknown side of rooms"),
  P0413: error("a late call that passes"),
  P0414: error("a room around a call that waits"),
  P0415: error("a room around a call that makes or replaces a process"),
  P0416: error("more rooms than a call can take"),
  P0417: error("two sides of a room for one call"),
  P0418: warning("a side that no call enters"),
  P0419: warning("a room for a call that is denied"),
  P0420: warning("a sibling outside of a room"),
  P0421: error("a room around a call that no policy judges"),

  P0501: warning("a sibling of a refused call that is allowed"),
  P0502: warning("a refusal by the string of a path"),
  P0503: warning("an errno that breaks a fallback"),
  P0504: warning("a verdict that is never reached"),
  P0505: warning("a call that this architecture lacks"),
  P0506: warning("a rule for a call that is always allowed"),
  P0507: warning("a raw register with bits that the kernel ignores"),
  P0508: warning("a rule on types of sockets that allows every protocol"),
  P0509: warning("a rule against a call that no filter sees"),
  P0510: warning("a comment that accepts no warning"),
  P0511: warning("a question that hides what it is about"),

  P0601: error("an argument that the engine cannot pin"),
  P0602: warning("a frequent call made stateful"),
  P0603: warning("a rule on a call that a base already denies"),
  P0604: error("a verdict that the engine cannot give"),
  P0605: error("a native part that is missing or cannot be loaded"),
  P0606: error("a construct that a target cannot express"),
  P0607: error("a program that the kernel refuses"),
  P0609: warning("an allowed path that the command's user can lead elsewhere"),
  P0610: warning("a refused object that the command's user can give another path"),

  P0701: warning("a part of an OCI profile that is not implemented"),
  P0702: error("not JSON"),
  P0703: error("an invalid OCI profile"),
  P0704: warning("an unknown call in an OCI profile"),
  P0705: warning("contradictory rules in an OCI profile"),
  P0706: warning("a comparison in an OCI profile that unused bits bypass"),
  P0707: warning("a rule of an OCI profile that another call bypasses"),
  P0708: error("an OCI profile that is too large"),
  P0709: warning("a part of an OCI profile that has no effect"),
  P0710: warning("a part of an OCI profile with an unexpected meaning"),

  P0801: error("a malformed line of a trace"),
  P0802: error("an invalid member in a line of a trace"),
  P0803: error("a task that no line of the trace created"),
  P0804: error("a trace without times for a policy that reads the clock"),
  P0805: warning("a child that may be a process or a thread"),
  P0806: error("a trace of another version"),
  P0807: warning("an unfinished call in a trace"),
  P0808: error("more errors than are shown"),
  P0809: error("a trace of another architecture"),
  P0810: error("a trace without calls"),
  P0811: error("a malformed line of a case file"),
  P0812: error("an invalid verdict"),
  P0813: error("a process that no line created"),
  P0814: error("a malformed argument"),
  P0815: error("a name that is already in use"),
  P0816: error("a malformed duration"),
  P0817: error("a case file without cases"),
  P0818: error("a process that has ended"),
  P0819: error("a parameter that is set too late or twice"),
  P0820: error("a case that failed"),
  P0821: warning("a trace without registers"),
  P0822: error("a trace without the ids of the caller"),
  P0823: warning("a recording that has lost calls"),
  P0824: error("a damaged trace"),
  P0825: warning("a trace that ends early"),
  P0826: warning("a recording of processes that ran already"),

  P0901: error("a file that cannot be read"),
  P0902: error("not a regular file"),
  P0903: error("a file that is not UTF-8"),
  P0904: error("a file that is too large"),
  P0905: error("unknown option"),
  P0906: error("unknown verb"),
  P0907: error("an invalid value of an option"),
  P0908: error("a missing word on the command line"),
  P0909: error("a superfluous word on the command line"),
  P0910: error("a destination of events that cannot be opened"),
  P0911: error("a command that cannot be started"),
  P0912: error("a bundle that cannot be used"),
  P0913: warning("a filter that needs a listener"),
  P0914: error("a trace that cannot be recorded into"),
  P0915: error("a status socket that cannot be used"),
  P0916: error("an output that is also an input, or another output"),
  P0917: error("an output that would replace a file of another origin"),
  P0918: error("a word of the command line that is not UTF-8"),
  P0919: error("a file of exceptions for package scripts that cannot be used"),
  P0920: error("a policy that cannot be amended"),
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

export type DiagnosticCode = keyof typeof catalogue;

export interface DiagnosticDetails {
  /** Absent only if no file is at fault. */
  readonly span?: Span | undefined;
  /** A second place that explains the first. */
  readonly related?: { readonly span: Span; readonly message: string } | undefined;
  /** The remedy. */
  readonly help?: string | undefined;
}

/**
 * Makes a diagnostic; its severity is the catalogue's.
 *
 * @param message one sentence without a full stop; the user's own text is quoted as written.
 */
export function diagnostic(code: DiagnosticCode, message: string, details: DiagnosticDetails = {}): Diagnostic {
  const { span, related, help } = details;
  return {
    code,
    severity: catalogue[code].severity,
    message,
    ...(span === undefined ? {} : { span }),
    ...(related === undefined ? {} : { related }),
    ...(help === undefined ? {} : { help }),
  };
}

/** By place (file, line, column), those without a place first. The sort is stable. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return [...diagnostics].sort(
    (a, b) =>
      compareText(a.span?.file ?? "", b.span?.file ?? "") ||
      (a.span?.line ?? 0) - (b.span?.line ?? 0) ||
      (a.span?.column ?? 0) - (b.span?.column ?? 0),
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((one) => one.severity === "error");
}
