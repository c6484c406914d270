// The pages that users read, which are README.md and its like and docs/*.md, and the fenced code blocks in them and in the
// descriptions of the code.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/process.ts";

export interface Block {
  /** The file from the repository's root: `docs/usage.md`. */
  readonly page: string;
  /** Page and heading, and which block under the heading where there are several: `docs/usage.md: TLS`. */
  readonly name: string;
  /** The line of the opening fence, from 1. */
  readonly line: number;
  /** The first word after the opening fence. Empty if there is none. */
  readonly language: string;
  readonly text: string;
}

/** The pages of the root folder, then those of docs/, each in alphabetical order. */
export function pages(): string[] {
  const pagesOf = (folder: string) => readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")).sort();
  return [...pagesOf("."), ...pagesOf("docs").map((name) => `docs/${name}`)];
}

/** All blocks of all pages, in reading order, then those in the descriptions of the code. */
export function allBlocks(): Block[] {
  const read = (file: string) => readFileSync(join(root, file), "utf8");
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .map((name) => `src/${name.replaceAll("\\", "/")}`).filter((name) => name.endsWith(".ts")).sort();
  return [
    ...pages().flatMap((page) => blocksOf(page, read(page))),
    ...sources.flatMap((source) => blocksOf(source, described(read(source)))),
  ];
}

/** What stands in a file's comments of the form that editors show; all other lines are empty. */
function described(source: string): string {
  return source.split("\n").map((line) => /^\s*\* ?(?!\/)(.*)$/.exec(line)?.[1] ?? "").join("\n");
}

/** @throws Error if a fence is never closed. */
export function blocksOf(page: string, text: string): Block[] {
  const lines = text.split("\n");
  const found: Omit<Block, "name">[] = [];
  const headings: string[] = [];
  let heading = "(top)";
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? "";
    heading = /^#{2,6} +(.*?)\s*$/.exec(line)?.[1] ?? heading;
    const [, indent = "", fence = "", info = ""] = /^(\s*)(`{3,}|~{3,})\s*(.*)$/.exec(line) ?? [];
    if (fence === "") continue;
    const end = lines.findIndex((closing, at) => at > i && closing.trim() === fence);
    if (end < 0) throw new Error(`${page}:${i + 1}: the code block is never closed`);
    const body = lines.slice(i + 1, end).map((bare) => bare.startsWith(indent) ? bare.slice(indent.length) : bare);
    found.push({ page, line: i + 1, language: info.split(/\s/)[0] ?? "", text: `${body.join("\n")}\n` });
    headings.push(heading);
    i = end;
  }
  return found.map((block, i) => {
    const under = headings.flatMap((other, at) => other === headings[i] ? [at] : []);
    const number = under.length > 1 ? ` (${under.indexOf(i) + 1})` : "";
    return { ...block, name: `${page}: ${headings[i]}${number}` };
  });
}
