// Runs the generator. Node 20 does not run TypeScript, so esbuild bundles it first.
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const bundle = await build({
  entryPoints: [resolve(here, "generate.ts")],
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  write: false,
  logLevel: "error",
});
const [output] = bundle.outputFiles;
const { main } = await import(`data:text/javascript;base64,${Buffer.from(output.contents).toString("base64")}`);
process.exitCode = main(process.argv.slice(2), resolve(here, "../.."));
