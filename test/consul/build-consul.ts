// `npm run consul:build`: builds Consul's agent from the Go module proxy, which takes a quarter of an hour. What was built
// stays in .tmp/go, which git ignores; tests of the registry in Consul then run on it, too.
import { join } from "node:path";
import { builtWithGo } from "../support/go.ts";

/** A version that builds as a dependency: without the replacements of its own go.mod. */
const VERSION = "1.14.11";
const NAME = `consul-${VERSION}`;

/** Where it is once it was built, from the repository's root. */
export const CONSUL_PATH: string = join(".tmp/go", NAME, "consul");

if (import.meta.main) {
  const folder = builtWithGo(NAME, (go) => {
    go("get", `github.com/hashicorp/consul@v${VERSION}`);
    go("build", "-trimpath", "-o", "bin/consul", "github.com/hashicorp/consul");
  });
  console.log(`${folder} has consul ${VERSION}`);
}
