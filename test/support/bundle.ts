/** Bundles of test programs for Node 20. */
import { resolve } from "node:path";
import { build } from "esbuild";

export const bundleOptions = { bundle: true, platform: "node", target: "node20", logLevel: "warning" } as const;

/** In a CommonJS bundle: the addon is found from the checkout. */
export const inCheckout = { "import.meta.url": JSON.stringify(`file://${resolve("src/machine/native.ts")}`) };

/** A program for the virtual machine, in one file. */
export async function bundleGuest(entry: string, outfile: string): Promise<void> {
  await build({ ...bundleOptions, entryPoints: [entry], outfile, format: "cjs", define: inCheckout });
}
