/**
 * Modules: resolves, reads and parses them, and evaluates their top level in JavaScript's order. Nothing is executed.
 */
import type {
  ExportNamedDeclaration,
  ImportDeclaration,
  ImportDeclarationSpecifier,
  ModuleExportName,
  Statement,
  Program as SyntaxTree,
} from "oxc-parser";
import { nearestName } from "../diagnostics/suggest.ts";
import { packageFile } from "../machine/package.ts";
import type { SourceFile, Range as SourceRange } from "./source/file.ts";
import { parsePolicyText } from "./source/parse.ts";
import type { Place } from "./source/reporter.ts";
import type { FileStore } from "./source/store.ts";
import { announce } from "./typescript/lower/announcements.ts";
import { reportModuleVariable } from "./typescript/lower/assignments.ts";
import { libraryTypeNames } from "./typescript/lower/declared-types.ts";
import { statement } from "./typescript/lower/statements.ts";
import { LexicalScope, type Variable } from "./typescript/values/scope.ts";
import { unknown, type Value } from "./typescript/values/values.ts";
import type { Compilation } from "./typescript/walk/compilation.ts";

export interface Module {
  readonly file: SourceFile;
  readonly scope: LexicalScope<Value>;
  readonly tree: SyntaxTree;
  /** Its exports: the exported name, and the variable's name in the module. */
  readonly exports: Map<string, ExportedName>;
  state: "begun" | "done";
}

interface ExportedName {
  /** The name in the module's scope; for a re-export, the variable itself. */
  readonly local: string;
  readonly from?: Module;
  /** By `export *`, which an export by name precedes, or with the name's declaration, whose repetition is another error. */
  readonly by?: "star" | "declaration";
}

/** The name of the default export in the module's scope. */
const defaultName = "*default*";

const mostModules = 256;
const deepestImports = 64;

export class Modules {
  private readonly c: Compilation;
  private readonly store: FileStore;
  private readonly library: ReadonlyMap<string, Value>;
  private readonly globals: LexicalScope<Value>;
  private readonly modules = new Map<string, Module | undefined>();
  private readonly libraryVariables = new Map<string, Variable<Value>>();
  private depth = 0;

  constructor(c: Compilation, store: FileStore, library: ReadonlyMap<string, Value>, globals: LexicalScope<Value>) {
    this.c = c;
    this.store = store;
    this.library = library;
    this.globals = globals;
  }

  /** The evaluated module at this path; undefined, after a report, if it cannot be read or parsed. */
  load(path: string, place?: Place, typesOnly = false): Module | undefined {
    const known = this.modules.get(path);
    if (known !== undefined || this.modules.has(path)) {
      if (known?.state === "begun" && !typesOnly && place !== undefined) {
        this.c.reporter.report(
          "P0313",
          "modules import each other in a cycle",
          place,
          "move the shared declarations into a third module; `import type` may go both ways",
        );
        return undefined;
      }
      return known;
    }
    if (this.modules.size >= mostModules || this.depth >= deepestImports) {
      this.c.reporter.report(
        "P0314",
        `more than ${mostModules} modules, or imports nested ${deepestImports} deep`,
        place,
      );
      return undefined;
    }
    this.modules.set(path, undefined);
    const file = this.store.read(path, place);
    if (file === undefined) return undefined;
    const tree = this.parse(file);
    if (tree === undefined) return undefined;
    const module: Module = {
      file,
      tree,
      scope: new LexicalScope(this.globals, file),
      exports: new Map(),
      state: "begun",
    };
    this.modules.set(path, module);
    this.depth++;
    try {
      this.work(module);
    } finally {
      this.depth--;
    }
    module.state = "done";
    return module;
  }

  private parse(file: SourceFile): SyntaxTree | undefined {
    const outcome = parsePolicyText(file);
    if ("tree" in outcome) return outcome.tree;
    this.c.reporter.report(outcome.code, outcome.message, { file, node: outcome.node }, outcome.help);
    return undefined;
  }

  private work(module: Module): void {
    const { c } = this;
    const { body } = module.tree;
    const saved = { file: c.file, scope: c.scope, time: c.time };
    c.file = module.file;
    c.scope = module.scope;
    try {
      this.collectExports(module);
      for (const node of body) if (node.type === "ImportDeclaration") this.import(module, node);
      c.file = module.file;
      c.scope = module.scope;
      c.time = "constant";
      announce(c, body);
      for (const node of body) this.topLevel(module, node as Statement);
      this.checkExports(module);
    } finally {
      c.file = saved.file;
      c.scope = saved.scope;
      c.time = saved.time;
    }
  }

  private topLevel(module: Module, node: Statement): void {
    const { c } = this;
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportAllDeclaration":
        return;
      case "ExportNamedDeclaration":
        if (node.declaration !== null) this.declaration(node.declaration as Statement);
        return;
      case "ExportDefaultDeclaration": {
        const { declaration } = node;
        const value: Value =
          declaration.type === "FunctionDeclaration" || declaration.type === "FunctionExpression"
            ? c.walker.functionValue(declaration, declaration.id?.name ?? "")
            : declaration.type === "ClassDeclaration" ||
                declaration.type === "ClassExpression" ||
                declaration.type === "TSInterfaceDeclaration"
              ? c.error("P0312", declaration, "a module exports its policy by default")
              : c.walker.evaluate(declaration);
        this.variable(module, defaultName, declaration, value);
        return;
      }
      default:
        this.declaration(node);
    }
  }

  private declaration(node: Statement): void {
    const { c } = this;
    switch (node.type) {
      case "VariableDeclaration":
        statement(c, node);
        if (node.kind === "const") return;
        for (const { id } of node.declarations) {
          const variable = id.type === "Identifier" ? c.scope.own(id.name) : undefined;
          if (variable !== undefined) reportModuleVariable(c, variable);
        }
        return;
      case "FunctionDeclaration":
      case "TSInterfaceDeclaration":
      case "TSTypeAliasDeclaration":
      case "EmptyStatement":
      case "ClassDeclaration":
      case "TSEnumDeclaration":
        statement(c, node);
        return;
      case "ExpressionStatement":
        // Evaluated for its errors: a library call reports its own.
        if (c.walker.evaluate(node.expression).is !== "unknown") {
          c.error(
            "P0315",
            node,
            "this has no effect at the top of a module",
            "const, function, and export default policy(…)",
          );
        }
        return;
      default:
        c.error(
          "P0309",
          node,
          "this statement is not allowed at the top of a module",
          "const, function, type, interface, import and export",
        );
    }
  }

  private variable(module: Module, name: string, at: SourceRange, value: Value): Variable<Value> {
    const variable: Variable<Value> = {
      name,
      kind: "const",
      file: module.file,
      at,
      time: "constant",
      ofModule: true,
      value,
    };
    module.scope.declare(variable);
    return variable;
  }

  // ── Exports ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private collectExports(module: Module): void {
    for (const node of module.tree.body) {
      if (node.type === "ExportDefaultDeclaration") this.export(module, "default", node, { local: defaultName });
      else if (node.type === "ExportAllDeclaration") this.exportAll(module, node);
      else if (node.type === "ExportNamedDeclaration") this.exportNamed(module, node);
      else if (node.type === "TSExportAssignment") {
        this.c.error("P0309", node, "a module exports by name", "export default policy(…)");
      }
    }
  }

  private export(module: Module, name: string, at: SourceRange, exported: ExportedName): void {
    const former = module.exports.get(name);
    if (former === undefined || former.by === "star") module.exports.set(name, exported);
    else if (former.by === undefined || exported.by === undefined) {
      const what = name === "default" ? "a module has one default export" : `\`${name}\` is exported twice`;
      this.c.error("P0109", at, what, "leave one out");
    }
  }

  /** An importer would get a name without a value. */
  private checkExports(module: Module): void {
    for (const node of module.tree.body) {
      if (node.type !== "ExportNamedDeclaration" || node.source !== null) continue;
      for (const { local } of node.specifiers) {
        const name = nameOf(local);
        if (module.scope.own(name) === undefined && module.scope.findType(name) === undefined)
          this.c.error("P0105", local, `\`${name}\` is not declared in this module`, "export what is declared here");
      }
    }
  }

  private exportAll(module: Module, node: Statement & { readonly type: "ExportAllDeclaration" }): void {
    if (node.exported !== null) {
      this.c.error("P0309", node, "a module is not a value", "export { name } from …");
      return;
    }
    const target = this.target(module, node.source.value, node.source, node.exportKind === "type", undefined);
    if (target === undefined || target === "library" || target === "json") return;
    for (const name of target.exports.keys()) {
      if (name !== "default" && !module.exports.has(name))
        module.exports.set(name, { local: name, from: target, by: "star" });
    }
  }

  private exportNamed(module: Module, node: ExportNamedDeclaration): void {
    const { declaration } = node;
    if (declaration !== null) {
      if (declaration.type === "VariableDeclaration") {
        for (const { id } of declaration.declarations) {
          if (id.type === "Identifier") this.export(module, id.name, id, { local: id.name, by: "declaration" });
          else this.c.error("P0309", id, "an export declares plain names", "export const name = …");
        }
      } else if ("id" in declaration && declaration.id?.type === "Identifier") {
        const { name } = declaration.id;
        this.export(module, name, declaration.id, { local: name, by: "declaration" });
      }
      return;
    }
    const target =
      node.source === null
        ? undefined
        : this.target(module, node.source.value, node.source, node.exportKind === "type", undefined);
    for (const { local, exported } of node.specifiers) {
      if (node.source === null) this.export(module, nameOf(exported), exported, { local: nameOf(local) });
      else if (typeof target === "object") {
        if (target.exports.has(nameOf(local)))
          this.export(module, nameOf(exported), exported, { local: nameOf(local), from: target });
        else this.notExported(target, local, nameOf(local));
      } else if (target !== undefined) {
        this.c.error("P0309", node, "this cannot be re-exported", "import it where it is needed");
      }
    }
  }

  // ── Imports ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private import(module: Module, node: ImportDeclaration): void {
    const { c } = this;
    c.file = module.file;
    c.scope = module.scope;
    const typesOnly =
      node.importKind === "type" ||
      (node.specifiers.length > 0 &&
        node.specifiers.every((one) => one.type === "ImportSpecifier" && one.importKind === "type"));
    const json = node.attributes.some(
      (one) => (one.key.type === "Identifier" ? one.key.name : one.key.value) === "type" && one.value.value === "json",
    );
    const target = this.target(module, node.source.value, node.source, typesOnly, json);
    c.file = module.file;
    c.scope = module.scope;
    for (const specifier of node.specifiers) this.bindImport(module, specifier, target, node);
  }

  private bindImport(
    module: Module,
    specifier: ImportDeclarationSpecifier,
    target: Target,
    node: ImportDeclaration,
  ): void {
    const { c } = this;
    const { local } = specifier;
    const place: SourceRange = specifier;
    if (target === undefined) return this.bindUnknown(module, local.name, specifier);
    if (specifier.type === "ImportNamespaceSpecifier") {
      c.error("P0309", specifier, "a module is not a value", "import { name } from …");
      return this.bindUnknown(module, local.name, specifier);
    }
    const name = specifier.type === "ImportDefaultSpecifier" ? "default" : nameOf(specifier.imported);
    if (target === "json") {
      const file = this.jsonFiles.get(node.source);
      if (name !== "default" || file === undefined) {
        if (name !== "default")
          c.error("P0108", specifier, "a JSON module has only a default export", "import profile from …");
        return this.bindUnknown(module, local.name, specifier);
      }
      this.alias(module, local.name, place, { ...this.plain(module, local.name, place), value: { is: "json", file } });
      return;
    }
    if (target === "library") return this.bindLibrary(module, specifier, name, node);
    const found = resolveExport(target, name);
    if (found === undefined) {
      this.notExported(target, specifier, name);
      return this.bindUnknown(module, local.name, specifier);
    }
    const type = found.module.scope.findType(found.local);
    const own = type !== undefined && !("builtin" in type) && type.file === found.module.file;
    if (own || type !== undefined) module.scope.declareType(local.name, type!);
    const variable = found.module.scope.own(found.local);
    if (variable !== undefined) this.alias(module, local.name, place, variable);
    else if (type === undefined) this.bindUnknown(module, local.name, specifier);
  }

  private bindLibrary(
    module: Module,
    specifier: ImportDeclarationSpecifier,
    name: string,
    node: ImportDeclaration,
  ): void {
    const { c } = this;
    const value = this.library.get(name);
    const isType = libraryTypeNames().includes(name);
    if (value === undefined && !isType) {
      const near = nearestName(name, [...this.library.keys(), ...libraryTypeNames()]);
      c.error(
        "P0108",
        specifier,
        name === "default" ? '"portcullis" has no default export' : `"portcullis" does not export \`${name}\``,
        near === undefined ? 'import { allow, deny, policy } from "portcullis"' : `did you mean \`${near}\`?`,
      );
      return this.bindUnknown(module, specifier.local.name, specifier);
    }
    if (isType) module.scope.declareType(specifier.local.name, { builtin: name });
    const typeOnly =
      node.importKind === "type" || (specifier.type === "ImportSpecifier" && specifier.importKind === "type");
    if (value === undefined || typeOnly) return;
    let variable = this.libraryVariables.get(name);
    if (variable === undefined) {
      variable = { ...this.plain(module, name, specifier), value };
      this.libraryVariables.set(name, variable);
    }
    this.alias(module, specifier.local.name, specifier, variable);
  }

  private plain(module: Module, name: string, at: SourceRange): Variable<Value> {
    return { name, kind: "import", file: module.file, at, time: "constant", ofModule: true, value: undefined };
  }

  private alias(module: Module, name: string, at: SourceRange, variable: Variable<Value>): void {
    if (!module.scope.alias(name, variable)) {
      this.c.error("P0109", at, `\`${name}\` is imported twice`, "leave one out");
    }
  }

  /** The error is reported already; the name causes no further ones. */
  private bindUnknown(module: Module, name: string, at: SourceRange): void {
    module.scope.alias(name, { ...this.plain(module, name, at), value: unknown });
    module.scope.declareType(name, { builtin: "CallTable" });
  }

  private notExported(target: Module, node: SourceRange, name: string): void {
    const known = [...target.exports.keys()].filter((one) => one !== "default");
    const near = nearestName(name, known);
    this.c.error(
      "P0108",
      node,
      name === "default"
        ? `${target.file.shown} has no default export`
        : `${target.file.shown} does not export \`${name}\``,
      near !== undefined
        ? `did you mean \`${near}\`?`
        : known.length > 0
          ? `it exports ${known.slice(0, 8).join(", ")}`
          : "write `export` before the declaration",
    );
  }

  // ── Specifiers ────────────────────────────────────────────────────────────────────────────────────────────────────

  private readonly jsonFiles = new Map<object, SourceFile>();

  /** The file that a specifier names. `json` is undefined for an export, which has no attributes. */
  private target(
    module: Module,
    specifier: string,
    node: SourceRange,
    typesOnly: boolean,
    json: boolean | undefined,
  ): Target {
    const { c } = this;
    if (specifier === "portcullis") return "library";
    const place = { file: module.file, node };
    const path = this.resolvePath(module, specifier, node);
    if (path === undefined) return undefined;
    if (specifier.endsWith(".json")) {
      if (json !== true) {
        c.error(
          "P0308",
          node,
          'the import of a JSON module needs `with { type: "json" }`',
          'import profile from "./x.json" with { type: "json" }',
        );
        return undefined;
      }
      const file = this.store.read(path, place);
      if (file === undefined) return undefined;
      this.jsonFiles.set(node, file);
      return "json";
    }
    return this.load(path, place, typesOnly);
  }

  private resolvePath(module: Module, specifier: string, node: SourceRange): string | undefined {
    const { c } = this;
    const isReady = specifier.startsWith("portcullis/policies/");
    if (isReady && /\.(ts|json)$/.test(specifier)) return packageFile(specifier.slice("portcullis/".length));
    if (!isReady && !specifier.startsWith("./") && !specifier.startsWith("../")) {
      c.error(
        "P0308",
        node,
        `\`${specifier.slice(0, 80)}\` cannot be imported: a policy is compiled and does not run as JavaScript`,
        'a relative file ("./shared.ts"), "portcullis", or "portcullis/policies/NAME.ts"',
      );
      return undefined;
    }
    if (!/\.(ts|json)$/.test(specifier) || specifier.includes("\0")) {
      c.error(
        "P0107",
        node,
        `"${specifier.slice(0, 80)}" does not name a policy file`,
        /\.(js|mjs|mts)$/.test(specifier) || specifier.startsWith("portcullis/policies/")
          ? `"${specifier.replace(/\.\w+$/, "")}.ts"`
          : 'the complete file name: "./shared.ts"',
      );
      return undefined;
    }
    return this.store.pathFrom(module.file, specifier);
  }
}

/** The variable that a module exports under a name, its own or that of a module from which it exports. */
export function exportOf(module: Module, name: string): Variable<Value> | undefined {
  const found = resolveExport(module, name);
  return found?.module.scope.own(found.local);
}

function resolveExport(module: Module, name: string): { module: Module; local: string } | undefined {
  const found = module.exports.get(name);
  if (found === undefined) return undefined;
  if (found.from === undefined) return { module, local: found.local };
  return resolveExport(found.from, found.local);
}

type Target = Module | "library" | "json" | undefined;

function nameOf(name: ModuleExportName): string {
  return name.type === "Literal" ? name.value : name.name;
}
