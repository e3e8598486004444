// Bundles the sources into dist/. A command starts in a few milliseconds only if it loads few files, so each use has
// its own bundle. `make -C native` builds the native parts into dist/native/.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { licencesOf } from "./licences.mjs";

// tools/code-cache.cjs runs commands through the launcher.
const launcher = `dist/native/${process.arch}/launcher`;
if (!existsSync(launcher)) {
  console.error(`${launcher} is missing: \`make build\` compiles the C programs before this`);
  process.exit(1);
}

const entries = {
  testing: "src/testing.ts",
  inert: "src/inert.ts",
  demo: "demo/demo.ts",
};

// Written last, so that the files of a failed build do not use cached policies of another build.
rmSync("dist/build-id", { force: true });

const { metafile } = await build({
  entryPoints: entries,
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  chunkNames: "chunks/[name]-[hash]",
  sourcemap: "linked",
  logLevel: "warning",
  metafile: true,
});

// The threads of the supervisor and of the recorder are one file each, so that they are read completely before the
// command starts: a command of the same user could change files that are read later.
const commonJs = {
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
};
await build({
  ...commonJs,
  entryPoints: { supervisor: "src/engines/notify/worker.ts", recorder: "src/observe/record/notify/worker.ts" },
  define: { "import.meta.url": '"file:///"' },
  logLevel: "warning",
});

// The process of a tree's proxy, for the same reason, with the library that reads queries for names.
const hosts = await build({
  ...commonJs,
  entryPoints: { hosts: "src/engines/hosts/process.ts" },
  define: { "import.meta.url": '"file:///"' },
  minifyWhitespace: true,
  legalComments: "none", // they are in hosts-licences.txt
  logLevel: "warning",
  metafile: true,
});
writeFileSync("dist/hosts-licences.txt", licencesOf(hosts.metafile));

// The assets of `report`: a script with the charting library, a style, and the library's licences.
const page = await build({
  entryPoints: { report: "src/observe/report/page/main.ts", "report-style": "src/observe/report/page/style.css" },
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "iife",
  charset: "ascii",
  target: ["es2022"],
  legalComments: "none", // they are in report-licences.txt
  logLevel: "warning",
  metafile: true,
});
writeFileSync("dist/report-licences.txt", licencesOf(page.metafile));

// oxc-parser's native part is a separate package for each platform, never a file beside its JavaScript, and npm ensures
// its version. Looking for the file and reading the version would take 2 ms of every start.
const { version: parserVersion } = JSON.parse(readFileSync("node_modules/oxc-parser/package.json", "utf8"));
const nodeRequire = "import { createRequire } from 'module'\nconst require = createRequire(import.meta.url)\n";
const withoutBindingSearch = (text, path) => {
  // Else every start would load node:module, and only a benchmark would show it.
  if (path.endsWith("/bindings.js") && !text.includes(nodeRequire))
    throw new Error(`${path} gets its require in a new way`);
  return text
    .replace(nodeRequire, "const require = parserRequire\n")
    .replace(/try \{\s*return require\('\.\/parser\.[\w.-]*'\)\s*\} catch \(e\) \{\s*loadErrors\.push\(e\)\s*\}/g, "")
    .replace(/require\('@oxc-parser\/[\w-]*\/package\.json'\)\.version/g, JSON.stringify(parserVersion));
};

// The command line is CommonJS, because Node's loader of ES modules takes 15 ms. There are four files: `portcullis.cjs`
// is `run`, `compiler.cjs` compiles a policy for it that the cache lacks, `check.cjs` is `check`, and `cli.cjs` has all
// verbs, whose modules are evaluated on demand.
const commandLine = {
  ...commonJs,
  // Each file is the function that Node makes of a module: bin/portcullis.cjs compiles it without another copy.
  // oxc-parser's JavaScript is bundled; its native part is resolved from the package's location, without node:module,
  // which loads Node's loader of ES modules.
  banner: {
    js: [
      "(function (exports, require, module, __filename, __dirname) {",
      'const bundle = { get url() { return require("node:url").pathToFileURL(__filename).href; } };',
      'const besideUs = require("node:path").join(__dirname, "../node_modules/oxc-parser");',
      'const parserFolder = () => require("node:fs").existsSync(besideUs) ? besideUs : require("node:path").dirname(require.resolve("oxc-parser"));',
      "const parserRequire = (id) => require(parserRequire.resolve(id));",
      "parserRequire.resolve = (id) => require.resolve(id, { paths: [parserFolder()] });",
    ].join("\n"),
  },
  footer: { js: "})" },
  minifyWhitespace: true,
  minifySyntax: true,
  supported: { "dynamic-import": false }, // use `require`, which does not load the ES module loader
  define: { "import.meta.url": "bundle.url" },
  sourcemap: "linked",
  logLevel: "warning",
};
// oxc-parser's index also has visitors, which the compiler does not use.
const parserIndex = `
  import { parseSync as parse } from "./bindings.js";
  import { wrap } from "./wrap.js";
  export const parseSync = (name, text, options) => wrap(parse(name, text, options));`;
/** `elsewhere` gives the file of dist/ that has this dynamic import; undefined if the bundle has it. */
const bundled = (elsewhere) => ({
  plugins: [
    {
      name: "the rest is another file",
      setup({ onLoad, onResolve }) {
        onLoad({ filter: /oxc-parser[/]src-js[/].*\.js$/ }, ({ path }) => ({
          contents: path.endsWith("/src-js/index.js")
            ? parserIndex
            : withoutBindingSearch(readFileSync(path, "utf8"), path),
          loader: "js",
        }));
        onResolve({ filter: /^\.\.?\// }, ({ kind, path }) => {
          const file = kind === "dynamic-import" ? elsewhere(path) : undefined;
          return file === undefined ? undefined : { path: file, external: true };
        });
      },
    },
  ],
});
const ofRun = { "./main.ts": "./cli.cjs", "./compile.ts": "./compiler.cjs" };
const [, whole] = await Promise.all([
  build({ ...commandLine, ...bundled((path) => ofRun[path]), entryPoints: { portcullis: "src/cli/entry/fast.ts" } }),
  build({
    ...commandLine,
    ...bundled(() => undefined),
    entryPoints: { compiler: "src/cli/policy/compile.ts", cli: "src/cli/entry/main.ts" },
    metafile: true,
  }),
  // bin/portcullis.cjs uses this for its verb only.
  build({
    ...commandLine,
    ...bundled((path) => (path.startsWith("../verbs/") && path !== "../verbs/check.ts" ? "./cli.cjs" : undefined)),
    entryPoints: { check: "src/cli/entry/main.ts" },
  }),
]);

// cli.cjs has all that the others have.
writeFileSync("dist/cli-licences.txt", licencesOf(whole.metafile));

// The manual pages have the same source as --help.
const pages = "dist/man-pages.mjs";
await build({
  entryPoints: ["src/cli/entry/man-pages.ts"],
  outfile: pages,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  logLevel: "warning",
});
const { manPages } = await import(pathToFileURL(pages).href);
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
mkdirSync("dist/man", { recursive: true });
const manual = [];
for (const [name, text] of await manPages(version)) {
  writeFileSync(`dist/man/${name}`, text);
  manual.push(`dist/man/${name}`);
}

// Remove old chunks last, so that a command that starts during a build finds its files.
const commonjs = [
  "supervisor.cjs",
  "recorder.cjs",
  "hosts.cjs",
  "hosts-licences.txt",
  "portcullis.cjs",
  "portcullis.cjs.map",
  "cli.cjs",
  "cli.cjs.map",
  "cli-licences.txt",
  "check.cjs",
  "check.cjs.map",
  "compiler.cjs",
  "compiler.cjs.map",
  "report.js",
  "report-style.css",
  "report-licences.txt",
];
const written = new Set([...Object.keys(metafile.outputs), ...manual, ...commonjs.map((file) => `dist/${file}`)]);
for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const file = relative(".", join(entry.parentPath, entry.name));
  if (entry.isFile() && !written.has(file) && !file.startsWith("dist/native/")) rmSync(file);
}

// bin/portcullis.cjs reads these files as Latin-1, which is twice as fast as UTF-8. esbuild escapes non-ASCII
// characters in strings, but not in regular expressions.
for (const file of ["portcullis.cjs", "cli.cjs", "check.cjs", "compiler.cjs"]) {
  const found = /.{0,40}[^\0-\x7f].{0,40}/.exec(readFileSync(`dist/${file}`, "utf8"));
  if (found !== null) throw new Error(`dist/${file} is not ASCII; write \\u… in the source: ${found[0]}`);
}

// The identity of the build, part of the key of cached policies (src/cli/policy/cache.ts).
const identity = createHash("sha256");
for (const file of ["portcullis.cjs", "cli.cjs", "check.cjs", "compiler.cjs", "supervisor.cjs", "hosts.cjs"])
  identity.update(readFileSync(`dist/${file}`));
writeFileSync("dist/build-id", identity.digest("hex"));

// A code cache is valid for one source text; the old ones are already removed.
execFileSync(process.execPath, ["tools/code-cache.cjs"], { stdio: "inherit" });
