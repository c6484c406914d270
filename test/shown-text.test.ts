import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { shownTextOf } from "../src/error-text.ts";
import { emit } from "../src/listener.ts";
import { quoted } from "../src/option.ts";
import { escapedText, shownText } from "../src/shown-text.ts";

const length = (text: string) => Array.from(text).length;

describe("shown text", () => {
  it("is what it was, if that is short and harmless", () => {
    for (const text of ["", "10.0.0.5:8000", "Zürich, 東京, 🚀", "x".repeat(200), '"quoted" \\ back']) {
      assert.equal(shownText(text), text);
    }
  });

  it("has control characters, line separators and changes of direction escaped", () => {
    const hostile: readonly (readonly [string, string])[] = [
      ["a\nb\tc", "a\\u000ab\\u0009c"],
      ["\u001b[2J\u001b]0;title\u0007", "\\u001b[2J\\u001b]0;title\\u0007"],
      ["\u009b31m", "\\u009b31m"],
      ["\u007f", "\\u007f"],
      ["safe\u202egnp.exe", "safe\\u202egnp.exe"],
      ["\u2066\u2067\u2068\u2069\u200e\u200f\u061c", "\\u2066\\u2067\\u2068\\u2069\\u200e\\u200f\\u061c"],
      ["one\u2028two\u2029", "one\\u2028two\\u2029"],
      ["half \ud83d of a pair", "half \\ud83d of a pair"],
    ];
    for (const [text, shown] of hostile) {
      assert.equal(shownText(text), shown);
      assert.equal(escapedText(text), shown);
    }
  });

  it("is cut at so many characters, escapes included, and says so", () => {
    assert.equal(shownText("x".repeat(201)), `${"x".repeat(199)}…`);
    assert.equal(shownText("abcdef", 4), "abc…");
    assert.equal(shownText("abcd", 4), "abcd");
    assert.equal(shownText("a\u0000b", 8), "a\\u0000b");
    assert.equal(shownText("a\u0000b", 7), "a…");
    assert.equal(shownText("abc", 1), "…");
    assert.equal(shownText("abc", 0), "");
  });

  it("is never cut within a character", () => {
    assert.equal(shownText("🚀".repeat(200)), "🚀".repeat(200));
    assert.equal(shownText("🚀".repeat(201)), `${"🚀".repeat(199)}…`);
    assert.equal(shownText("a🚀b🚀", 3), "a🚀…");
  });

  it("is as short as it must be, and harmless, whatever it was made from", () => {
    const pieces = ["a", "🚀", "\u202e", "\ud800", "\udc00", "\n", "é", "\u2029", "\u001b"];
    let seed = 1;
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
    for (let i = 0; i < 500; i++) {
      const text = Array.from({ length: Math.floor(random() * 30) }, () => pieces[Math.floor(random() * 9)]!).join("");
      const max = Math.floor(random() * 40);
      const shown = shownText(text, max);
      assert.ok(length(shown) <= max, `${JSON.stringify(text)} at ${max} is ${shown}`);
      assert.doesNotMatch(shown, /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u);
    }
  });

  it("looks at no more of a long text than it shows", () => {
    const long = "\u0007".repeat(50_000_000);
    assert.equal(shownText(long), `${"\\u0007".repeat(33)}…`);
  });

  it("is what errors, events and values of options show", () => {
    const error = new ConnectError("no\u001b[31m such\u202e key", Code.Unavailable);
    assert.equal(shownTextOf(error), "no\\u001b[31m such\\u202e key");
    assert.equal(quoted("a\u009bb\u202e"), '"a\\u009bb\\u202e"');
    let shown: { readonly reason?: string } = {};
    emit((event) => void (shown = event as typeof shown), { cause: new Error("gone\u202e") });
    assert.equal(shown.reason, "gone\\u202e");
  });
});
