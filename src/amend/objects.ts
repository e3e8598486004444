/** Entries of lists that permit what Landlock has denied. */
import { jsonText } from "../diagnostics/width.ts";
import type { ObjectJson } from "../events/event.ts";
import { describePolicy } from "../events/record.ts";
import type { Location } from "../ir/location.ts";
import type { FileList, ObjectLayer } from "../ir/objects.ts";
import type { Program } from "../ir/program.ts";

/** The entry in the form of the list; undefined if no entry names the object. */
export function entryOf({ blockers, path, port }: ObjectJson): string | undefined {
  const isPort = blockers.some((right) => /^net\.(?:bind|connect)/.test(right));
  if (isPort) return typeof port === "number" && Number.isInteger(port) && port > 0 ? `${port}n` : undefined;
  const isPath = blockers.some((right) => /^fs\.(?!change_topology)/.test(right));
  return isPath && typeof path === "string" && path.startsWith("/") ? jsonText(path) : undefined;
}

/** `unknown`: several layers refuse the object, or none names it. */
export type PresentRuling =
  | { readonly is: "permitted" | "unknown" }
  | { readonly is: "refused"; readonly at: Location };

/** The ruling of this text on an object that another text has refused. Links of files are followed already. */
export function presentRuling(program: Program, object: ObjectJson): PresentRuling {
  const layers = describePolicy(program).objects ?? [];
  const refusing = object.blockers.flatMap((right) =>
    layers.flatMap((rights, index) => {
      const declared = rights.find((one) => one.right === right);
      return declared === undefined || permits(program.objects[index]!, declared.setting, object) ? [] : [declared];
    }),
  );
  const [first] = refusing;
  if (first === undefined) return { is: "permitted" };
  return refusing.every(({ setting, at }) => setting === first.setting && at === first.at)
    ? { is: "refused", at: first.at }
    : { is: "unknown" };
}

function permits({ files, tcp, udp, unix }: ObjectLayer, setting: string, { path, port }: ObjectJson): boolean {
  const [declaration, list] = setting.split(".");
  if (declaration === "tcp" || declaration === "udp") {
    const ports = (declaration === "tcp" ? tcp : udp)?.[list as "bind" | "connect"];
    return typeof port === "number" && ports?.includes(port) === true;
  }
  if (typeof path !== "string") return false;
  const isBelow = (above: string) => above === "/" || path === above || path.startsWith(`${above}/`);
  const rules = (declaration === "unix" ? unix?.connect : files?.lists[list as FileList]) ?? [];
  const isExcepted = declaration === "files" && files?.except.some((one) => isBelow(one.path)) === true;
  return rules.some((one) => one.path === path || (!isExcepted && isBelow(one.path)));
}

/** The lists and declarations that restrict such a request, as `explain` names them. */
export function settingsOf(program: Program, { blockers }: ObjectJson): readonly string[] {
  const rights = (describePolicy(program).objects ?? []).flat();
  return [...new Set(rights.filter(({ right }) => blockers.includes(right)).map(({ setting }) => setting))];
}
