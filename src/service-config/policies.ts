import { byName, type Check, makes } from "../option.ts";
import type { Policy } from "../policy/policy.ts";
import type { PolicyReaders } from "./load-balancing.ts";

/** Policies by the name under which a config may choose them. */
export const policiesByName: Check = /* @__PURE__ */ byName(
  "an object of policies by name",
  (name) => name !== "",
  /* @__PURE__ */ makes("a policy, such as roundRobin()", (value) => typeof value === "function"),
);

/** What chooses these policies, whatever a config says about them. */
export function readersOf(policies: Readonly<Record<string, Policy>>): PolicyReaders {
  return new Map(Object.entries(policies).map(([name, policy]) => [name, () => ({ policy })]));
}
