import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { block, run } from "../docs/as-printed.ts";

const PAGE = "docs/nestjs-jest.md: Jest";

/** Runs the page's test with Jest, by its configuration. */
export function runJest(folder: string): void {
  writeFileSync(join(folder, "jest.config.js"), block(`${PAGE} (2)`));
  writeFileSync(join(folder, "tsconfig.json"), block(`${PAGE} (3)`));
  writeFileSync(join(folder, "simple.test.ts"), block(`${PAGE} (4)`));
  run(folder, "env", "NODE_OPTIONS=--experimental-vm-modules", "npx", "jest");
}

/** Runs it with Vitest, after the line that the page says. */
export function runVitest(folder: string): void {
  run(folder, "npm", "install", "--no-audit", "--no-fund", "--save-dev", "vitest");
  writeFileSync(join(folder, "simple.test.ts"), `import { expect, test } from "vitest";\n${block(`${PAGE} (4)`)}`);
  run(folder, "npx", "vitest", "run");
}
