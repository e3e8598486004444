import { expect, test } from "vitest";
import { html, jsonElement, ownElement } from "./markup.ts";

test("values are escaped, markup and lists of it are not", () => {
  const hostile = `<img src=x onerror="a()">'&`;
  expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe(
    `<p title="&lt;img src=x onerror=&quot;a()&quot;&gt;&#39;&amp;">&lt;img src=x onerror=&quot;a()&quot;&gt;&#39;&amp;</p>`,
  );
  expect(html`<ul>${["a<b", html`<li>${1}</li>`]}${undefined}</ul>`.text).toBe("<ul>a&lt;b<li>1</li></ul>");
});

test("control characters and those that change the direction of writing are replaced", () => {
  expect(html`${"a\u202eb\u0000c\u001b[2J"}`.text).toBe("a\ufffdb\ufffdc\ufffd[2J");
});

test("JSON cannot end its element", () => {
  const value = { a: "</script><script>alert(1)</script>", b: "<!--", c: "\u2028", d: "&amp;" };
  const { text } = jsonElement("data", value);
  expect(text.match(/<\/?script/g)).toEqual(["<script", "</script"]);
  expect(text).not.toContain("<!--");
  expect(JSON.parse(text.replace(/^<[^>]*>|<\/script>$/g, ""))).toEqual(value);
});

test("a script that would end its element is refused", () => {
  expect(() => ownElement("script", 'x = "</SCRIPT>"')).toThrow("would end early");
  expect(ownElement("style", "a{}").text).toBe("<style>a{}</style>");
});
