import { makes } from "../option.ts";

const isPolicy = /* @__PURE__ */ makes("a policy, such as roundRobin()", (value) => typeof value === "function");

/** Checks the policy that another one decorates. @throws TypeError unless it is one. */
export function checkPolicy(policy: unknown): void {
  isPolicy("policy", policy);
}
