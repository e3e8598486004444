// Bundles the sources into dist/: a command starts in a few milliseconds only if it loads few files, so the verbs are
// split into chunks that are loaded when they are needed. Native parts are built by `make -C native`.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";

const entries = {
  cli: "src/cli/main.ts",
  testing: "src/testing.ts",
  inert: "src/inert.ts",
  demo: "demo/demo.ts",
};

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

// Old chunks go last, so that a command that starts during a build finds the files it asks for.
const written = new Set([...Object.keys(metafile.outputs), "dist/supervisor.cjs"]);
for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
  const file = relative(".", join(entry.parentPath, entry.name));
  if (entry.isFile() && !written.has(file)) rmSync(file);
}
