import { expect, it } from "vitest";
import { auditArchitecture } from "../abi/architecture.ts";
import { returnWord } from "../abi/return-word.ts";
import { decodeInstructions } from "../backend/classic/instruction.ts";
import { runClassic } from "../backend/classic/interpreter.ts";
import { programOf } from "../frontend/testing/compiled.ts";
import type { Program } from "../ir/program.ts";
import { containerFilter } from "./container-filter.ts";
import { annotationsText, crunAnnotations, podmanText } from "./crun.ts";

const digest = `sha256:${"0".repeat(64)}`;
const annotationsOf = (program: Program, parameters: Readonly<Record<string, string>> = {}) =>
  crunAnnotations(containerFilter(program, "quiet").filter!, "/run/agent.sock", { policy: "p", digest, parameters });

const counting = programOf('return call.name === "mkdir" && made.add(1n) > 2n ? deny("EDQUOT") : allow;', {
  head: "const made = perTree.counter();",
});

it("has the exact filter, which notifies of each execution, whatever its arguments are", () => {
  const annotations = annotationsOf(counting, { most: "2" });
  expect(annotations).toMatchObject({
    "run.oci.seccomp.receiver": "/run/agent.sock",
    "portcullis.policy": "p",
    "portcullis.digest": digest,
    "portcullis.parameter.most": "2",
  });
  const filter = decodeInstructions(Buffer.from(annotations["run.oci.seccomp_bpf_data"]!, "base64"));
  const word = (number: number) =>
    runClassic(filter, {
      number,
      architecture: auditArchitecture.x86_64,
      instructionPointer: 0n,
      arguments: [0n, 0n, 0n, 0n, 0n, 0n],
    }).word;
  expect([83, 59, 322, 39].map(word)).toEqual([
    ...Array<number>(3).fill(returnWord("USER_NOTIF")),
    returnWord("ALLOW"),
  ]);
  expect(JSON.parse(annotationsText(annotations))).toEqual({ annotations });
});

it("names no agent for a policy without state", () => {
  const stateless = programOf('return call.name === "mkdir" ? deny("EDQUOT") : allow;');
  expect(Object.keys(annotationsOf(stateless))).toEqual(["run.oci.seccomp_bpf_data"]);
});

it("becomes words of a shell", () => {
  const lines = podmanText(annotationsOf(counting, { text: "it's" }))!.split("\n");
  expect(lines.slice(1)).toEqual([
    "--annotation=run.oci.seccomp.receiver=/run/agent.sock",
    "--annotation=portcullis.policy=p",
    `--annotation=portcullis.digest=${digest}`,
    "--annotation='portcullis.parameter.text=it'\\''s'",
    "",
  ]);
  expect(podmanText(annotationsOf(counting, { text: "a,b" }))).toBeUndefined();
});
