// The types of the package as installed, under the compilers and the module resolutions that users have.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../docs/as-printed.ts";
import { executable, root } from "../support/process.ts";

/** Besides this repository's own. */
const OLDER = "5.9";
/** `module`, and the `moduleResolution` that it implies. */
const MODULES = { nodenext: "nodenext", node16: "node16", esnext: "bundler" };

/** Type-checks README's programs and imports of all entries, the library's own types included. */
export function checkTypes(project: string, entries: readonly string[]): void {
  const all = entries.map((entry, i) => `import * as entry${i} from "${entry}";`);
  const use = `export const all: object[] = [${entries.map((_, i) => `entry${i}`).join(", ")}];\n`;
  writeFileSync(join(project, "entries.ts"), `${all.join("\n")}\n${use}`);
  const older = join(project, "../typescript");
  mkdirSync(older);
  writeFileSync(join(older, "package.json"), JSON.stringify({ private: true }));
  run(older, "npm", "install", "--no-audit", "--no-fund", "--silent", `typescript@${OLDER}`);
  for (const folder of [older, root]) {
    const compiler = join(folder, "node_modules/typescript");
    const { version } = JSON.parse(readFileSync(join(compiler, "package.json"), "utf8")) as { version: string };
    for (const [module, moduleResolution] of Object.entries(MODULES)) {
      const compilerOptions = {
        module,
        moduleResolution,
        target: "es2023",
        lib: ["es2023", "esnext.disposable", "dom", "dom.iterable"],
        types: ["node"],
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        allowImportingTsExtensions: true,
      };
      const config = `tsconfig.${moduleResolution}.json`;
      const files = ["entries.ts", "server.ts", "client.ts"];
      writeFileSync(join(project, config), JSON.stringify({ compilerOptions, files }));
      execFileSync(executable("node"), [join(compiler, "bin/tsc"), "-p", config], { cwd: project, stdio: "inherit" });
    }
    console.log(`types of ${entries.length} entries by TypeScript ${version}: ${Object.values(MODULES).join(", ")}`);
  }
}
