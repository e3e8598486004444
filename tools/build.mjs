// Bundles the sources into dist/: a command starts in a few milliseconds only if it loads few files, so the verbs are
// split into chunks that are loaded when they are needed. `make -C native` builds the native parts into dist/native/.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const entries = {
  testing: "src/testing.ts",
  inert: "src/inert.ts",
  demo: "demo/demo.ts",
};

// Written last: what a build that failed left must not find what another one compiled.
rmSync("dist/build-id", { force: true });

const present = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file)));
const { metafile } = await build({
  entryPoints: present,
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

// The supervisor's thread is one file, so that all of it can be read before the command starts (which could be of the same
// user and change what is read later).
await build({
  entryPoints: { supervisor: "src/engines/notify/worker.ts" },
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  define: { "import.meta.url": '"file:///"' },
  logLevel: "warning",
});

// oxc-parser's native part is a package of its own for each platform, never a file beside its JavaScript, and npm sees to
// its version: looking for the one and reading the other takes 2 ms of every start.
const { version: parserVersion } = JSON.parse(readFileSync("node_modules/oxc-parser/package.json", "utf8"));
const withoutDetours = (text) =>
  text
    .replace(/try \{\s*return require\('\.\/parser\.[\w.-]*'\)\s*\} catch \(e\) \{\s*loadErrors\.push\(e\)\s*\}/g, "")
    .replace(/require\('@oxc-parser\/[\w-]*\/package\.json'\)\.version/g, JSON.stringify(parserVersion));

// The command line is CommonJS, in four files: Node's loader of ES modules alone takes 15 ms. `portcullis.cjs` is `run`
// with a policy that the cache has, `run.cjs` with any, `check.cjs` is `check`, `cli.cjs` all verbs, whose modules run when they are asked for.
const commandLine = {
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  // oxc-parser's JavaScript goes in; its native part is found from where the package lies.
  banner: {
    js: [
      'const bundleUrl = require("node:url").pathToFileURL(__filename).href;',
      'const besideUs = require("node:path").join(__dirname, "../node_modules/oxc-parser/src-js/index.js");',
      'const parserUrl = () => require("node:url").pathToFileURL(require("node:fs").existsSync(besideUs) ? besideUs : require.resolve("oxc-parser")).href;',
    ].join("\n"),
  },
  minifyWhitespace: true,
  minifySyntax: true,
  supported: { "dynamic-import": false }, // as `require`, which does not load that loader
  define: { "import.meta.url": "bundleUrl" },
  sourcemap: "linked",
  logLevel: "warning",
};
const bundled = (isElsewhere) => ({
  plugins: [
    {
      name: "the rest is dist/cli.cjs",
      setup({ onLoad, onResolve }) {
        onLoad({ filter: /oxc-parser[/]src-js[/].*\.js$/ }, ({ path }) => ({
          contents: withoutDetours(readFileSync(path, "utf8").replaceAll("import.meta.url", "parserUrl()")),
          loader: "js",
        }));
        onResolve({ filter: /^\.\// }, ({ kind, path }) =>
          kind === "dynamic-import" && isElsewhere(path) ? { path: "./cli.cjs", external: true } : undefined,
        );
      },
    },
  ],
});
await Promise.all([
  build({
    ...commandLine,
    ...bundled((path) => path === "./main.ts"),
    entryPoints: { portcullis: "src/cli/fast.ts", cli: "src/cli/main.ts" },
  }),
  // bin/portcullis.cjs takes these for their verbs only.
  ...["check", "run"].map((verb) =>
    build({
      ...commandLine,
      ...bundled((path) => path.startsWith("./verbs/") && path !== `./verbs/${verb}.ts`),
      entryPoints: { [verb]: "src/cli/main.ts" },
    }),
  ),
]);

// The manual pages, from the same descriptions as --help.
const pages = "dist/man-pages.mjs";
await build({
  entryPoints: ["src/cli/pages/man-pages.ts"],
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

// Old chunks go last, so that a command that starts during a build finds the files it asks for.
const commonjs = [
  "supervisor.cjs",
  "portcullis.cjs",
  "portcullis.cjs.map",
  "cli.cjs",
  "cli.cjs.map",
  "check.cjs",
  "check.cjs.map",
  "run.cjs",
  "run.cjs.map",
];
const written = new Set([...Object.keys(metafile.outputs), ...manual, ...commonjs.map((file) => `dist/${file}`)]);
for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const file = relative(".", join(entry.parentPath, entry.name));
  if (entry.isFile() && !written.has(file) && !file.startsWith("dist/native/")) rmSync(file);
}

// bin/portcullis.cjs reads them as Latin-1, which is twice as fast as UTF-8. esbuild escapes what is not ASCII in strings, and
// leaves it in regular expressions.
for (const file of ["portcullis.cjs", "cli.cjs", "check.cjs", "run.cjs"]) {
  const found = /.{0,40}[^\0-\x7f].{0,40}/.exec(readFileSync(`dist/${file}`, "utf8"));
  if (found !== null) throw new Error(`dist/${file} is not ASCII; write \\u… in the source: ${found[0]}`);
}

// Which build compiled what the cache of policies keeps (src/cli/policy/cache.ts).
const identity = createHash("sha256");
for (const file of ["portcullis.cjs", "cli.cjs", "check.cjs", "run.cjs", "supervisor.cjs"])
  identity.update(readFileSync(`dist/${file}`));
writeFileSync("dist/build-id", identity.digest("hex"));

// A code cache belongs to one text: the old ones are gone by now.
execFileSync(process.execPath, ["tools/code-cache.cjs"], { stdio: "inherit" });
