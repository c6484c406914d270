// What is done with each code block of the pages. TypeScript is type-checked and run unless this table says
// otherwise; every other block has to be named here, and so does whatever can't be run. A block that no rule knows
// fails the tests.
import type { Block } from "./blocks.ts";

export type Rule =
  /** Type-checked here, and run on the built package by `npm run test:package`; not on Node 22 where that can't parse it. */
  | { readonly kind: "run"; readonly needsNode24?: true }
  /** Type-checked here, and nothing more, for this reason. */
  | { readonly kind: "check"; readonly why: string }
  /** Tried word for word by what is named. */
  | { readonly kind: "tried"; readonly by: string }
  /** Neither run nor type-checked, because it is this. */
  | { readonly kind: "shown"; readonly as: string };

const readme: Rule = { kind: "tried", by: "npm run test:package, in a new folder" };
const asReadme: Rule = { kind: "tried", by: "npm run test:package, as a part of README's commands" };
const frameworks: Rule = { kind: "tried", by: "npm run test:frameworks, with the packages it needs" };
const diagram: Rule = { kind: "shown", as: "a diagram" };
const workerd: Rule = { kind: "check", why: "it runs in workerd, where test/edge runs its like" };
const gateway: Rule = {
  kind: "check",
  why: "the etcd that blocks run on has no JSON gateway: test/etcd runs its like",
};
const entry: Rule = { kind: "tried", by: "test/docs/layouts.test.ts" };
const explained: Rule = { kind: "shown", as: "what examples/explain.ts prints, which test/docs compares" };
const lookedAside: Rule = { kind: "shown", as: "what examples/look-aside.ts prints, which test/docs compares" };
const commanded: Rule = { kind: "shown", as: "what examples/cli.ts prints, which test/docs compares" };

const printedOfProxy: Rule = { kind: "shown", as: "what examples/proxy.ts prints, which test/docs compares" };
const proxied: Rule = { kind: "shown", as: "commands whose like test/cli/proxy.test.ts runs" };
const cluster: Rule = { kind: "check", why: "it needs a Kubernetes cluster: test/resolver/kubernetes runs its like" };

const consul: Rule = { kind: "check", why: "it needs a Consul agent: test/consul runs its like" };

/** By page and heading, or by page for all of its blocks that have no rule of their own. */
export const RULES: Readonly<Record<string, Rule>> = {
  "README.md: (top)": diagram,
  "README.md: See it work (1)": { kind: "tried", by: ".ci/run" },
  "README.md: See it work (2)": { kind: "shown", as: "what `npm run demo` prints" },
  "README.md: Install (1)": readme,
  "README.md: Install (2)": { kind: "tried", by: "npm run test:package, with a stand-in for JSR" },
  "README.md: Install (3)": readme,
  "README.md: Run them (1)": readme,
  "README.md: Run them (2)": readme,
  "docs/architecture.md": diagram,
  "docs/cli.md": commanded,
  "docs/custom-policy.md: (top)": { kind: "tried", by: "test/docs/custom-policy.test.ts" },
  "docs/custom-policy.md: Its test": { kind: "tried", by: "test/docs/custom-policy.test.ts" },
  "docs/durable-object.md: (top) (2)": { kind: "shown", as: "a Worker's configuration" },
  "docs/layouts.md: `grpclb()`: the default": entry,
  "docs/layouts.md: `etcdNaming()`: etcd's own resolver for grpc-go": entry,
  "docs/layouts.md: `goZero()`": entry,
  "docs/layouts.md: `kratos()`": entry,
  "docs/layouts.md: `kitex()`": entry,
  "docs/layouts.md: `wonaming()`": entry,
  "docs/layouts.md: `wwcdGrpcLb()`": entry,
  "docs/layouts.md: `goMicro()`": entry,
  "docs/layouts.md: `dubboApplication()`": entry,
  "docs/layouts.md: `dubboInterface()`": entry,
  "docs/look-aside.md: Run a balancer (1)": lookedAside,
  "docs/look-aside.md: Balance by it (2)": lookedAside,
  "docs/observability.md: Why do calls fail? (2)": explained,
  "docs/observability.md: Why do calls fail? (3)": explained,
  "docs/observability.md: Which calls were slow, and where did their time go?": explained,
  "docs/observability.md: Metrics and traces for OpenTelemetry": {
    kind: "check",
    why: "it needs a collector, and OpenTelemetry's packages: test/observe/otel runs its like",
  },
  "docs/observability.md: By gRPC's tools: channelz (2)": { kind: "shown", as: "what grpcdebug prints" },
  "docs/resolver.md: Consul": consul,
  "docs/proxy.md: Put it before a service (1)": proxied,
  "docs/proxy.md: Put it before a service (2)": printedOfProxy,
  "docs/proxy.md: Several services (1)": proxied,
  "docs/proxy.md: Several services (2)": printedOfProxy,
  "docs/proxy.md: Browsers": printedOfProxy,
  "docs/proxy.md: The admin port": printedOfProxy,
  "docs/resolver.md: Kubernetes (1)": cluster,
  "docs/resolver.md: Kubernetes (2)": { kind: "shown", as: "a Role of Kubernetes" },
  "docs/resolver.md: Kubernetes (3)": cluster,
  "docs/testing.md": { kind: "tried", by: "test/simulation, where the fault and the invariant are" },
  "docs/runtimes.md: Node and Bun (1)": asReadme,
  "docs/runtimes.md: Node and Bun (2)": { kind: "check", why: "it is README's client, with its etcd" },
  "docs/runtimes.md: Deno": asReadme,
  "docs/runtimes.md: Deno Deploy, Vercel and other functions": {
    kind: "check",
    why: "examples/deploy.ts and test/edge run its like",
  },
  "docs/runtimes.md: Cloudflare Workers (1)": asReadme,
  "docs/runtimes.md: Cloudflare Workers (4)": { kind: "shown", as: "a Worker's configuration" },
  "docs/runtimes.md: Cloudflare Workers (5)": {
    kind: "shown",
    as: "commands of Wrangler, which is not installed here",
  },
  "docs/runtimes.md: Private networks": { kind: "check", why: "it needs a binding: test/edge/fetch.edge.ts has one" },
  "docs/policies.md: Servers that report their load": { kind: "tried", by: "test/peers/prequal.test.ts" },
  "docs/runtimes.md: Browsers": { kind: "check", why: "it is the page of examples/browser, which test/edge runs" },
  "docs/usage.md: A service config in etcd, live (2)": { kind: "tried", by: "test/docs/service-config.test.ts" },
  "docs/usage.md: Ending": { kind: "run", needsNode24: true },
  "docs/etcd.md: Over fetch: etcd's JSON gateway": gateway,
  "src/etcd-gateway.ts: (top)": gateway,
  "src/consul.ts: (top)": consul,
  "src/kubernetes.ts: (top)": cluster,
  "docs/fastify-express.md": frameworks,
  "docs/nestjs-jest.md": frameworks,
};

/** The names in RULES that no block has any more. */
export function unused(blocks: readonly Block[]): string[] {
  const names = new Set(blocks.flatMap(({ page, name }) => [page, name]));
  return Object.keys(RULES).filter((name) => !names.has(name));
}

/** @throws Error that says where to add a rule if there is none for the block. */
export function ruleOf({ page, name, line, language, text }: Block): Rule {
  const rule = RULES[name] ?? RULES[page];
  if (rule !== undefined) return rule;
  if (language === "ts") return /^import .* from "cloudflare:/m.test(text) ? workerd : { kind: "run" };
  throw new Error(
    `${page}:${line} has a code block that no rule knows (language ${JSON.stringify(language)}): ` +
      `say in test/docs/rules.ts under ${JSON.stringify(name)} what tries it, or what it shows`,
  );
}

/**
 * What the pages take from README's client and server without saying so each time. Blocks that bring such a name
 * themselves hide the one here.
 */
export const GIVEN = `\
declare const registry: import("connect-lb/etcd").Registry;
declare const transport: import("connect-lb").BalancedTransport;
declare const simple: import("@connectrpc/connect").Client<typeof import("./gen/simple_pb.ts").Simple>;
declare const registration: import("connect-lb/etcd").Registration;
declare const server: import("connect-lb/server").GrpcServer;
`;
