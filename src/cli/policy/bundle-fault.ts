/** The error of a file that is no bundle, or a damaged one. */
import { BundleError } from "../../backend/bundle/bundle.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { Failure } from "../verb.ts";

/** @throws Failure that names the file, if `decode` throws a BundleError */
export function withBundleFaults<Result>(name: string, decode: () => Result): Result {
  try {
    return decode();
  } catch (error) {
    if (error instanceof BundleError) throw new Failure([diagnostic("P0912", `${name}: ${error.message}`)]);
    throw error;
  }
}
