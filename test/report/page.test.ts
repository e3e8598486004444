/** The page of a report in Chromium: charts, keyboard, narrow and dark, without scripts, and with hostile texts. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { portcullis } from "../cli/harness.ts";
import { patience } from "../support/patience.ts";

const program = "/usr/bin/chromium";
const reason = existsSync(program) ? undefined : "chromium is not installed";
const folder = mkdtempSync(join(tmpdir(), "portcullis-page-"));
const file = join(folder, "r.html");
let browser: Browser | undefined;

const line = (members: object) => `${JSON.stringify({ v: 1, ...members })}\n`;
const hostile = `"'><img src=x onerror="window.taken=1"></script><script>window.taken=1</script><!--`;
const policy = `import { allow, deny, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
// ${hostile}
export default policy((call) => {
  if (call.name === "accept4") phase.enter("serving");
  if (call.name === "openat") return phase.is("serving") ? deny("EACCES", ${JSON.stringify(hostile)}) : allow;
  return allow;
});
`;

function trace(): string {
  const lines = [
    line({ kind: "recording", command: [hostile] }),
    line({ kind: "start", tid: 1, architecture: "x86_64" }),
  ];
  const call = (tid: number, name: string, time: number, more: object = {}) =>
    lines.push(line({ kind: "call", tid, call: name, time: time * 1e6, arguments: ["3", "0x1000"], ...more }));
  call(1, "openat", 0, { memory: { path: hostile } });
  for (let child = 2; child < 6; child++) {
    call(1, "clone", child * 10);
    lines.push(line({ kind: "fork", tid: 1, child, time: child * 1e7 }));
    call(child, "execve", child * 10 + 1, { memory: { path: `/bin/${hostile}` } });
    lines.push(line({ kind: "exec", tid: child, time: (child * 10 + 1) * 1e6 }));
    call(child, "accept4", child * 10 + 3);
    for (let index = 0; index < 20; index++) call(child, ["read", "write"][index % 2]!, child * 10 + 5);
    call(child, "openat", child * 10 + 6, { memory: { path: hostile } });
  }
  return lines.join("");
}

beforeAll(async () => {
  if (reason !== undefined) return;
  writeFileSync(join(folder, "p.ts"), policy);
  writeFileSync(join(folder, "p.cases"), "m openat() allow\n");
  writeFileSync(join(folder, "t.jsonl"), trace());
  const event = { kind: "decision", time: 1, pid: 1, command: hostile, call: hostile, verdict: "deny", errno: hostile };
  const more = { reason: hostile, rule: hostile, advice: hostile, arguments: [{ name: hostile, text: hostile }] };
  writeFileSync(
    join(folder, "e.jsonl"),
    line({ ...event, ...more, phases: { [hostile]: hostile } }) + line({ kind: "notice", text: hostile }),
  );
  const inputs = ["p.ts", "t.jsonl", "e.jsonl"].map((name) => join(folder, name));
  const made = await portcullis("report", "-o", file, "--title", hostile, ...inputs);
  expect(made).toEqual({ status: 0, out: "", err: "" });
  browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox"], timeout: patience.command });
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The page, and what it says to the console or asks of a network. */
async function opened(options: BrowserContextOptions = {}): Promise<{ page: Page; said: string[] }> {
  const context = await browser!.newContext(options);
  context.setDefaultTimeout(patience.command);
  const page = await context.newPage();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("dialog", (dialog) => said.push(`a dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    if (request.url() !== pathToFileURL(file).href) said.push(`a request: ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  return { page, said };
}

describe("the page of a report", () => {
  it("draws its charts, and no text of a trace, policy or event is markup or a script", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const { page, said } = await opened();
    expect(await page.locator(".chart > svg, .chart > figure").count()).toBe(3);
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.locator("script").count()).toBe(2);
    expect(await page.evaluate("window.taken")).toBe(undefined);
    expect(await page.title()).toBe(hostile);
    expect(said).toEqual([]);
    // A script that came into the page would not run either.
    await page.evaluate(
      `document.body.append(Object.assign(document.createElement("script"), { textContent: "window.taken = 1" }))`,
    );
    expect(await page.evaluate("window.taken")).toBe(undefined);
    expect(said.join()).toContain("Content Security Policy");
    await page.close();
  });

  it("is read out by the arrow keys", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const { page } = await opened();
    const now = page.locator("#timeline-0-now");
    await page.locator("[data-chart=timeline]").focus();
    await page.keyboard.press("ArrowRight");
    await expect.poll(() => now.textContent()).toMatch(/from 0 s to .* calls in all/);
    const first = await now.textContent();
    await page.keyboard.press("ArrowRight");
    expect(await now.textContent()).not.toBe(first);
    await page.keyboard.press("End");
    expect(await now.textContent()).toMatch(/enters serving at .* by accept4/);
    await page.keyboard.press("Home");
    expect(await now.textContent()).toBe(first);
    await page.keyboard.press("Escape");
    expect(await now.textContent()).toBe("");
    await page.locator("[data-chart=heat]").focus();
    await page.keyboard.press("ArrowDown");
    expect(await page.locator("#heat-0-now").textContent()).toMatch(/ by .*: \d+/);
    await page.close();
  });

  it("reaches its charts, tables and sources by Tab, and opens a source by a rule's link", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const { page } = await opened();
    const reached = new Set<string>();
    for (let count = 0; count < 60; count++) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate("document.activeElement.dataset.chart ?? document.activeElement.tagName"));
    }
    expect([...reached]).toEqual(expect.arrayContaining(["A", "BUTTON", "timeline", "surface", "heat", "SUMMARY"]));
    await page.locator("td a").first().press("Enter");
    expect(await page.locator("details.source[open]").count()).toBe(1);
    await page.close();
  });

  it.for([
    [1280, "light"],
    [1280, "dark"],
    [320, "light"],
  ] as const)("fits a window of %i pixels, %s", async ([width, colorScheme], context) => {
    if (reason !== undefined) context.skip(reason);
    const { page, said } = await opened({ viewport: { width, height: 800 }, colorScheme });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    const light = "rgb(255, 255, 255)";
    const background = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    if (colorScheme === "light") expect(background).toBe(light);
    else expect(background).not.toBe(light);
    await page.locator("#theme").click();
    await page.locator("#theme").click();
    expect(await page.locator("#theme").textContent()).toBe("Theme: dark");
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).not.toBe(light);
    expect(said).toEqual([]);
    await page.close();
  });

  it("has all of its figures without scripts", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const { page } = await opened({ javaScriptEnabled: false });
    const text = await page.locator("main").textContent();
    for (const part of ["would be: deny EACCES", "starting → serving", "Refused calls", "The processes as a table"]) {
      expect(text).toContain(part);
    }
    await page.close();
  });
});
