import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerNames, readAnswer } from "./protocol.ts";

describe("an answer", () => {
  test.each([
    ['{"question":1,"answer":"allow"}', { question: 1, answer: "allow" }],
    ['{"answer":"deny","question":16}', { question: 16, answer: "deny" }],
    ['{"question":2,"answer":"always","for":600}', { question: 2, answer: "always", for: 600 }],
  ])("%s", (line, answer) => {
    expect(readAnswer(line)).toEqual(answer);
  });

  test.each([
    ["", "the line is not JSON"],
    ["allow", "the line is not JSON"],
    ["true", "the line is not a JSON object"],
    ["[1]", "the line is not a JSON object"],
    ['{"question":1}', "`answer` is not one of allow, always, deny"],
    ['{"question":1,"answer":true}', "`answer` is not one of allow, always, deny"],
    ['{"question":1,"answer":"Allow"}', "`answer` is not one of allow, always, deny"],
    ['{"question":1,"answer":"allow ","for":1}', "`answer` is not one of allow, always, deny"],
    ['{"question":"1","answer":"allow"}', "`question` is not the number of a question"],
    ['{"question":0,"answer":"allow"}', "`question` is not the number of a question"],
    ['{"question":1.5,"answer":"allow"}', "`question` is not the number of a question"],
    ['{"question":1,"answer":"allow","for":5}', "`for` goes with the answer always"],
    ['{"question":1,"answer":"always","for":0}', "`for` is not a whole number of seconds from 1 to 31536000"],
    ['{"question":1,"answer":"always","for":null}', "`for` is not a whole number of seconds from 1 to 31536000"],
    ['{"question":1,"answer":"allow","questions":[2]}', 'an answer has no member "questions"'],
  ])("is none: %s", (line, why) => {
    expect(readAnswer(line)).toBe(why);
  });

  test("allows only by an exact word", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (line) => {
        const read = readAnswer(line);
        if (typeof read !== "string") expect(answerNames).toContain(read.answer);
      }),
    );
  });
});
