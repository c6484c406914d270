// Bundles the page's script and style, and writes them as text into src/observe/page/assets.ts: `npm run build:page`.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { buildSync } from "esbuild";
import { root } from "../../support/process.ts";

const FOLDER = join(root, "src/observe/page/browser");
/** What is written. */
export const ASSETS_FILE: string = join(root, "src/observe/page/assets.ts");

/** The text of the file with the page's parts. */
export function assetsFile(): string {
  const parts = {
    "index.html": { type: "text/html", text: read("index.html") },
    "page.js": { type: "text/javascript", text: bundle("main.ts") },
    "page.css": { type: "text/css", text: bundle("page.css") },
    "icon.svg": { type: "image/svg+xml", text: read("icon.svg") },
  };
  const lines = Object.entries(parts).map(([name, { type, text }]) =>
    `  ${JSON.stringify(name)}: {\n    type: ${JSON.stringify(type)},\n    text:\n      ${
      JSON.stringify(text)
    },\n  },\n`
  );
  return `\
// Written by \`npm run build:page\` from the files in browser/.

/** A part of the page. */
export interface Asset {
  readonly type: string;
  readonly text: string;
}

/** The page, its script, its style and its icon, by the name under which the handler serves them. */
export const ASSETS: Readonly<Record<string, Asset>> = {
${lines.join("")}};
`;
}

function read(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8").replaceAll(/\n\s*/g, "\n");
}

function bundle(name: string): string {
  const { outputFiles } = buildSync({
    entryPoints: [join(FOLDER, name)],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    write: false,
  });
  return outputFiles[0]!.text;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) writeFileSync(ASSETS_FILE, assetsFile());
