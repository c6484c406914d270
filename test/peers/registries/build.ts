// `npm run registries:build`: builds programs on the registries of go-micro and dubbo-go from the Go module proxy, which
// takes a few minutes. What was built stays in .tmp/go, which git ignores; the tests beside this file then meet it in etcd.
import { createHash } from "node:crypto";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtWithGo } from "../../support/go.ts";
import { root } from "../../support/process.ts";

/** Each program, with the Go modules that it is made of. */
const PROGRAMS = {
  "go-micro": [
    "go-micro.dev/v4@v4.10.2",
    "github.com/go-micro/plugins/v4/client/grpc@v1.2.0",
    "github.com/go-micro/plugins/v4/registry/etcd@v1.2.0",
    "github.com/go-micro/plugins/v4/server/grpc@v1.2.0",
  ],
  "dubbo-go": ["dubbo.apache.org/dubbo-go/v3@v3.3.0"],
} as const;
export type RegistryProgram = keyof typeof PROGRAMS;

const COMMAND = "npm run registries:build";

const source = (program: RegistryProgram) => join(root, "test/peers/registries", program, "main.go");

/** A program is built anew when its source or its modules change. */
function nameOf(program: RegistryProgram): string {
  const hash = createHash("sha256").update(JSON.stringify(PROGRAMS[program])).update(readFileSync(source(program)));
  return `${program}-${hash.digest("hex").slice(0, 16)}`;
}

/** Where a program is once it was built. */
export function registryProgram(program: RegistryProgram): string {
  return join(root, ".tmp/go", nameOf(program), program);
}

/** For `describe(name, { skip }, …)`: false, or why tests that need the program are left out. */
export function withoutProgram(program: RegistryProgram): string | false {
  return !existsSync(registryProgram(program)) && `there is no program on ${program}: \`${COMMAND}\` builds it`;
}

function build(program: RegistryProgram): string {
  return builtWithGo(nameOf(program), (go, work) => {
    cpSync(source(program), join(work, "program/main.go"));
    go("get", ...PROGRAMS[program]);
    go("build", "-trimpath", "-o", `bin/${program}`, "./program");
  });
}

if (import.meta.main) {
  for (const program of Object.keys(PROGRAMS) as RegistryProgram[]) console.log(`${build(program)} has ${program}`);
}
