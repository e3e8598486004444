/** What the kernels of Debian 13 lack: on `recent`, which kernel/fetch fetches. */
import { expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { eachInMachine, unable } from "./vm.ts";

const reason = unable("recent");

it("a distribution's kernel boots from its initramfs, with the host's files", {
  timeout: patience.machineTest,
}, async (context) => {
  if (reason !== undefined) context.skip(reason);
  const sh = (script: string, more = {}) => ({ words: ["sh", "-c", script], ...more });
  const [kernel, files, namespace] = await eachInMachine({ kernel: "recent" }, [
    sh("uname -r"),
    sh("echo text >made-in-the-machine; cat made-in-the-machine; ls package.json"),
    sh("unshare -Ur id -u", { uid: 65534 }),
  ]);
  expect(kernel?.stdout).toMatch(/^[7-9]\.\d/);
  expect(files).toMatchObject({ status: 0, stdout: "text\npackage.json\n" });
  expect(namespace).toMatchObject({ status: 0, stdout: "0\n" });
});
