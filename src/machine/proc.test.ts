/** Tests the readers of /proc. */
import { expect, test } from "vitest";
import { mountPoints } from "./proc.ts";

test("a mountinfo names the mount points, with blanks and bytes above ASCII", () => {
  const text = Buffer.from(
    [
      "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
      "30 22 254:0 /srv/a /home/a\\040b rw - ext4 /dev/vda rw",
      "31 22 0:5 /x\\134y /ä\\134\\012 rw,nosuid master:2 propagate_from:1 - tmpfs tmpfs rw",
      "not a mount",
      "",
    ].join("\n"),
  ).toString("latin1");
  expect([...mountPoints(text)]).toEqual(["/", "/home/a b", "/ä\\\n"]);
});
