import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import fc from "fast-check";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import type { Outcome } from "../../src/connection/connection.ts";
import type { HealthEnvironment } from "../../src/health/health.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { fromServiceConfig, ServiceConfigError, untrustedServiceConfig } from "../../src/service-config.ts";
import { trailerOf } from "../../src/server/load-trailer.ts";
import { balanced } from "../support/balanced.ts";
import { callExcluding, fakeConnection, fakeEnvironment, picksOf } from "../support/fake-connections.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

const retryPolicy = {
  maxAttempts: 3,
  initialBackoff: "0.1s",
  maxBackoff: "1s",
  backoffMultiplier: 2,
  retryableStatusCodes: ["UNAVAILABLE"],
};
const retryThrottling = { maxTokens: 10, tokenRatio: 0.1 };
const simple = { service: "proto.Simple" };

const methodsOf = (methodConfig: unknown) => fromServiceConfig({ methodConfig }).defaultServiceConfig.methods;
const methodOf = (fields: object) => methodsOf([{ name: [simple], ...fields }])?.["proto.Simple"];
const balancingOf = (...loadBalancingConfig: unknown[]) => fromServiceConfig({ loadBalancingConfig });

/** The kind of picker that a policy makes. */
function kindOf(policy: Policy | undefined): string | undefined {
  const connections = [fakeConnection("a:1"), fakeConnection("b:1")];
  return policy?.(connections, undefined, fakeEnvironment()).constructor.name;
}

function rejects(json: string | object, path: string, reason: RegExp | string): void {
  assert.throws(() => fromServiceConfig(json), (error) => {
    assert.ok(error instanceof ServiceConfigError && error instanceof TypeError, String(error));
    assert.equal(error.path, path);
    assert.equal(error.name, "ServiceConfigError");
    assert.ok(error.message.startsWith(path === "" ? "service config: " : `${path}: `), error.message);
    const said = error.message.slice(path === "" ? "service config: ".length : path.length + 2);
    if (typeof reason === "string") assert.equal(said, reason);
    else assert.match(said, reason);
    return true;
  });
}

/** A method config with these fields is rejected. */
const rejectsMethod = (fields: object, path: string, reason: RegExp | string) =>
  rejects({ methodConfig: [{ name: [simple], ...fields }] }, `methodConfig[0].${path}`, reason);

/** A policy with this config is rejected. */
const rejectsPolicy = (name: string, config: unknown, path: string, reason: RegExp | string) =>
  rejects({ loadBalancingConfig: [{ [name]: config }] }, `loadBalancingConfig[0].${name}${path}`, reason);

describe("fromServiceConfig", () => {
  it("reads text and objects, and ignores fields that it doesn't know", async () => {
    const json = {
      loadBalancingConfig: [{ round_robin: { other: 1 } }],
      methodConfig: [{ name: [{ ...simple, other: 1 }], timeout: "1.5s", waitForReady: true, other: {} }],
      retryThrottling,
      connectionScaling: { maxConnectionsPerSubchannel: 2 },
      other: [],
    };
    for (const given of [json, JSON.stringify(json)]) {
      const { policy, ...rest } = fromServiceConfig(given);
      assert.equal(kindOf(policy), "RoundRobinPicker");
      assert.deepEqual(rest, {
        defaultServiceConfig: {
          methods: { "proto.Simple": { timeoutMs: 1_500, waitForReady: true } },
          retryBudget: { maxTokens: 10, tokenRatio: 0.1 },
        },
      });
    }
    const test = balanced({ ...fromServiceConfig(json) });
    await test.transport.close();
  });

  it("leaves open what the config doesn't say", () => {
    assert.deepEqual(fromServiceConfig(Object.create({ methodConfig: 1 })), { defaultServiceConfig: {} });
    assert.deepEqual(fromServiceConfig({}), { defaultServiceConfig: {} });
    const absent = { loadBalancingConfig: null, loadBalancingPolicy: "", methodConfig: null, retryThrottling: null };
    assert.deepEqual(fromServiceConfig(absent), { defaultServiceConfig: {} });
    const empty = { timeout: null, waitForReady: null, retryPolicy: null, hedgingPolicy: null };
    assert.deepEqual(methodOf(empty), {});
  });

  it("rejects what is no JSON object", () => {
    rejects("{", "", /^is not JSON: /);
    for (const json of ["null", "1", "[]", '"a"']) rejects(json, "", /is not an object$/);
    rejects([], "", "an array is not an object");
  });
});

describe("names of a service config", () => {
  it("are of a method, of a service, or of all", () => {
    const names = [
      { service: "pkg.S", method: "M" },
      { service: "pkg.S" },
      { service: "pkg.T", method: "" },
      { service: "pkg.U", method: null },
      { service: "__proto__" },
      {},
    ];
    assert.deepEqual(
      Object.keys(methodsOf([{ name: names, timeout: "1s" }]) ?? {}),
      ["pkg.S/M", "pkg.S", "pkg.T", "pkg.U", "__proto__", "*"],
    );
    assert.deepEqual(Object.keys(methodsOf([{ name: [{ service: "", method: "" }] }]) ?? {}), ["*"]);
  });

  it("are unique in the whole config", () => {
    const path = "methodConfig[1].name[0]";
    const twice = (name: object, again: object) =>
      rejects({ methodConfig: [{ name: [name] }, { name: [again] }] }, path, /has a config already/);
    twice(simple, simple);
    twice(simple, { ...simple, method: "" });
    twice({}, { service: null, method: "" });
    twice({ ...simple, method: "Route" }, { ...simple, method: "Route" });
  });

  it("have no method without a service", () => {
    for (const service of ["", null, undefined]) {
      rejects({ methodConfig: [{ name: [{ service, method: "M" }] }] }, "methodConfig[0].name[0]", /but no service$/);
    }
  });

  it("are checked", () => {
    const at = "methodConfig[0].name[0]";
    for (const service of ["a b", "a/b", "/a"]) {
      rejects({ methodConfig: [{ name: [{ service }] }] }, at, /is not the name/);
    }
    rejects({ methodConfig: [{ name: [{ service: 1 }] }] }, `${at}.service`, "1 is not a string");
    rejects({ methodConfig: [{ name: [null] }] }, at, "null is not an object");
    rejects({ methodConfig: [{ name: {} }] }, "methodConfig[0].name", "{} is not an array");
    rejects({ methodConfig: {} }, "methodConfig", "{} is not an array");
  });

  it("may be absent: such an entry is ignored", () => {
    for (const name of [undefined, null, []]) assert.equal(methodsOf([{ name, timeout: "1s" }]), undefined);
  });
});

describe("durations of a service config", () => {
  it("are decimal seconds", () => {
    const durations: readonly (readonly [string, number])[] = [
      ["1s", 1_000],
      ["1.5s", 1_500],
      [".5s", 500],
      ["1.s", 1_000],
      ["0.000000001s", 0.000_001],
      ["1.1s", 1_100],
      ["007s", 7_000],
      ["315576000000s", 315_576_000_000_000],
      ["0.001s", 1],
    ];
    for (const [timeout, timeoutMs] of durations) assert.deepEqual(methodOf({ timeout }), { timeoutMs }, timeout);
  });

  it("are nothing else", () => {
    for (
      const timeout of ["s", ".s", "-s", "", "1", "1ms", "1 s", "+1s", "1e3s", "1.0000000001s", "1s\n", 1, {}, [], [
        "1s",
      ], true]
    ) {
      rejectsMethod({ timeout }, "timeout", /is not a duration such as "1.5s"$/);
    }
  });

  it("are in range", () => {
    rejectsMethod({ timeout: "315576000001s" }, "timeout", '"315576000001s" is beyond 315576000000s');
    rejectsMethod({ timeout: "-1s" }, "timeout", '"-1s" is below 0s');
    rejectsMethod({ timeout: "-0.001s" }, "timeout", '"-0.001s" is below 0s');
    rejectsMethod({ timeout: "-0s" }, "timeout", '"-0s" is not above 0s');
    rejectsMethod({ timeout: "0s" }, "timeout", '"0s" is not above 0s');
    rejectsMethod({ timeout: `${"9".repeat(400)}s` }, "timeout", /is beyond/);
  });
});

describe("retryPolicy of a service config", () => {
  it("is how a method is retried", () => {
    assert.deepEqual(methodOf({ retryPolicy })?.retry, {
      maxAttempts: 3,
      initialBackoffMs: 100,
      maxBackoffMs: 1_000,
      backoffMultiplier: 2,
      codes: [Code.Unavailable],
    });
  });

  it("has all fields", () => {
    for (const name of Object.keys(retryPolicy)) {
      for (const absent of [undefined, null]) {
        rejectsMethod({ retryPolicy: { ...retryPolicy, [name]: absent } }, `retryPolicy.${name}`, "is missing");
      }
    }
  });

  it("has fields that are in range", () => {
    const bad: readonly (readonly [string, unknown, RegExp | string])[] = [
      ["maxAttempts", 1, "1 is below 2"],
      ["maxAttempts", 0, "0 is below 2"],
      ["maxAttempts", 2.5, "2.5 is not a whole number"],
      ["maxAttempts", "two", '"two" is not a whole number'],
      ["maxAttempts", 2 ** 32, "4294967296 is above 4294967295"],
      ["initialBackoff", "0s", '"0s" is not above 0s'],
      ["maxBackoff", "0.0s", '"0.0s" is not above 0s'],
      ["backoffMultiplier", 0, "0 is not above 0"],
      ["backoffMultiplier", -1, "-1 is not above 0"],
      ["backoffMultiplier", "2", '"2" is not a number'],
      ["backoffMultiplier", Infinity, "Infinity is not a number"],
      ["maxAttempts", true, "true is not a whole number"],
      ["maxAttempts", "1e1", '"1e1" is not a whole number'],
      ["maxAttempts", "", '"" is not a whole number'],
      ["retryableStatusCodes", [], "is empty"],
      ["retryableStatusCodes", "UNAVAILABLE", '"UNAVAILABLE" is not an array'],
    ];
    for (const [name, value, reason] of bad) {
      rejectsMethod({ retryPolicy: { ...retryPolicy, [name]: value } }, `retryPolicy.${name}`, reason);
    }
    rejectsMethod({ retryPolicy: [] }, "retryPolicy", "an array is not an object");
  });

  it("has at most 5 attempts, and pauses that don't shrink", () => {
    const maxAttemptsOf = (maxAttempts: unknown) =>
      (methodOf({ retryPolicy: { ...retryPolicy, maxAttempts } })?.retry || {}).maxAttempts;
    assert.deepEqual([2, "4", 5, 6, 100].map(maxAttemptsOf), [2, 4, 5, 5, 5]);
    const { retry } = methodOf({ retryPolicy: { ...retryPolicy, backoffMultiplier: 0.5 } }) ?? {};
    assert.equal(retry && retry.backoffMultiplier, 1);
  });

  it("names codes in any case, or by number", () => {
    const codesOf = (...retryableStatusCodes: unknown[]) =>
      (methodOf({ retryPolicy: { ...retryPolicy, retryableStatusCodes } })?.retry || {}).codes;
    assert.deepEqual(
      codesOf("unavailable", "Deadline_Exceeded", "CANCELLED", "RESOURCE_EXHAUSTED", "DATA_LOSS", 14, 1),
      [Code.Unavailable, Code.DeadlineExceeded, Code.Canceled, Code.ResourceExhausted, Code.DataLoss, 14, 1],
    );
    const all = "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED " +
      "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS " +
      "UNAUTHENTICATED";
    assert.deepEqual(codesOf(...all.split(" ")), Array.from({ length: 16 }, (_, i) => i + 1));
    for (const code of ["OK", "ok", 0]) {
      rejectsMethod(
        { retryPolicy: { ...retryPolicy, retryableStatusCodes: [code] } },
        "retryPolicy.retryableStatusCodes[0]",
        "OK is no error",
      );
    }
    for (const code of ["SOMETHING", 17, -1, 1.5, null, "Unavailable ", "toString"]) {
      rejectsMethod(
        { retryPolicy: { ...retryPolicy, retryableStatusCodes: [14, code] } },
        "retryPolicy.retryableStatusCodes[1]",
        /is not a status code/,
      );
    }
  });
});

describe("hedgingPolicy of a service config", () => {
  it("is how a method is hedged", () => {
    assert.deepEqual(methodOf({ hedgingPolicy: { maxAttempts: 3 } }), {
      hedging: fixedHedging({ maxAttempts: 3, delayMs: 0, nonFatalCodes: [] }),
    });
    const hedgingPolicy = { maxAttempts: 9, hedgingDelay: "0.05s", nonFatalStatusCodes: ["INTERNAL", 14] };
    assert.deepEqual(methodOf({ hedgingPolicy }), {
      hedging: fixedHedging({ maxAttempts: 5, delayMs: 50, nonFatalCodes: [Code.Internal, Code.Unavailable] }),
    });
  });

  it("is checked, and stands alone", () => {
    rejectsMethod({ hedgingPolicy: {} }, "hedgingPolicy.maxAttempts", "is missing");
    rejectsMethod({ hedgingPolicy: { maxAttempts: 1 } }, "hedgingPolicy.maxAttempts", "1 is below 2");
    rejectsMethod({ hedgingPolicy: { maxAttempts: 2, hedgingDelay: "-1s" } }, "hedgingPolicy.hedgingDelay", /below 0s/);
    rejects(
      { methodConfig: [{ name: [simple], retryPolicy, hedgingPolicy: { maxAttempts: 2 } }] },
      "methodConfig[0]",
      "has both retryPolicy and hedgingPolicy: expected one of them",
    );
  });
});

/** A server that says which services it is asked about. */
function healthServer(asked: string[], wasAsked: () => void): Transport {
  return createRouterTransport(({ service }) => {
    service(Health, {
      async *watch({ service }) {
        asked.push(service);
        wasAsked();
        yield { status: HealthCheckResponse_ServingStatus.SERVING };
        throw new ConnectError("no more", Code.Unimplemented);
      },
    });
  });
}

describe("other fields of a service config", () => {
  it("are rejected if calls can't obey them", () => {
    for (const name of ["maxRequestMessageBytes", "maxResponseMessageBytes"]) {
      rejectsMethod({ [name]: 4_194_304 }, name, /readMaxBytes/);
      rejectsMethod({ [name]: -1 }, name, "-1 is below 0");
    }
  });

  it("are flags that are true or false", () => {
    assert.deepEqual(methodOf({ waitForReady: false }), { waitForReady: false });
    for (const waitForReady of ["true", 1]) rejectsMethod({ waitForReady }, "waitForReady", /is not true or false$/);
  });

  it("are the retry budget, with three decimals", () => {
    const budgetOf = (given: object) => fromServiceConfig({ retryThrottling: given }).defaultServiceConfig.retryBudget;
    assert.deepEqual(budgetOf({ maxTokens: 1_000, tokenRatio: 0.1239 }), { maxTokens: 1_000, tokenRatio: 0.123 });
    assert.deepEqual(budgetOf({ maxTokens: 0.5, tokenRatio: 0.001 }), { maxTokens: 0.5, tokenRatio: 0.001 });
    const bad = (name: string, value: unknown, reason: string) =>
      rejects({ retryThrottling: { ...retryThrottling, [name]: value } }, `retryThrottling.${name}`, reason);
    bad("maxTokens", 0, "0 is not above 0");
    bad("maxTokens", 1_001, "1001 is above 1000");
    bad("maxTokens", null, "is missing");
    bad("tokenRatio", 0, "0 is not above 0");
    bad("tokenRatio", 0.0009, "0.0009 is below 0.001");
    bad("tokenRatio", undefined, "is missing");
  });

  it("are the service whose health is checked", async () => {
    const json = (serviceName: unknown) => ({ healthCheckConfig: { serviceName } });
    for (const serviceName of ["proto.Simple", ""]) {
      const { health, ...rest } = fromServiceConfig(json(serviceName));
      assert.equal(health?.length, 1);
      assert.deepEqual(rest, { defaultServiceConfig: {} });
      const asked: string[] = [], connection = fakeConnection("a:1"), ignore = () => {};
      const watch = health[0]!({ report: ignore, random: () => 0.5 } as unknown as HealthEnvironment);
      await new Promise<void>((resolve) => watch.ready?.(connection, healthServer(asked, resolve)));
      assert.deepEqual(asked, [serviceName]);
      watch.ended?.(connection);
    }
    assert.deepEqual(fromServiceConfig(json(null)), { defaultServiceConfig: {} });
    rejects(json(1), "healthCheckConfig.serviceName", "1 is not a string");
    rejects(json("a\n"), "healthCheckConfig.serviceName", /^option service is /);
  });
});

describe("loadBalancingConfig of a service config", () => {
  it("chooses the first policy that is supported", () => {
    const { policy } = balancingOf({ grpclb: {} }, { xds_cluster_impl_experimental: 1 }, { pick_first: {} }, {
      round_robin: {},
    });
    assert.equal(kindOf(policy), "FirstPicker");
  });

  it("has gRPC's policies", async () => {
    const child = [{ round_robin: {} }];
    const configs: Record<string, unknown> = {
      round_robin: {},
      pick_first: { shuffleAddressList: true },
      weighted_round_robin: {
        enableOobLoadReport: true,
        oobReportingPeriod: "5s",
        blackoutPeriod: "0s",
        weightExpirationPeriod: "0s",
        weightUpdatePeriod: "0.01s",
        errorUtilizationPenalty: 0,
        metricNamesForComputingUtilization: ["named_metrics.queue"],
      },
      least_request_experimental: { choiceCount: 100 },
      ring_hash_experimental: { minRingSize: "2000", maxRingSize: 8_388_608, requestHashHeader: "x-user" },
      random_subsetting_experimental: { subsetSize: 1, childPolicy: child },
      outlier_detection_experimental: { childPolicy: child },
    };
    for (const [name, config] of Object.entries(configs)) {
      const options = balancingOf({ [name]: config });
      assert.equal(typeof kindOf(options.policy), "string", name);
      const test = balanced({ ...options });
      await test.transport.close();
    }
    const kinds = Object.keys(configs).slice(0, 5).map((name) => kindOf(balancingOf({ [name]: null }).policy));
    assert.equal(new Set(kinds).size, 5, kinds.join());
  });

  it("is an error if none is supported, or an entry doesn't have exactly one key", () => {
    rejects({ loadBalancingConfig: [] }, "loadBalancingConfig", /^is empty: expected one of round_robin, /);
    rejects(
      { loadBalancingConfig: [{ grpclb: {} }, { toString: {} }] },
      "loadBalancingConfig",
      /^has no supported policy \(grpclb, toString\)/,
    );
    rejects({ loadBalancingConfig: [{}] }, "loadBalancingConfig[0]", "has 0 keys: expected exactly one");
    const two = { grpclb: {}, round_robin: {} };
    rejects({ loadBalancingConfig: [two] }, "loadBalancingConfig[0]", "has 2 keys: expected exactly one");
    rejects({ loadBalancingConfig: { round_robin: {} } }, "loadBalancingConfig", "an object is not an array");
  });

  it("is checked by policy", () => {
    rejectsPolicy("round_robin", 1, "", "1 is not an object");
    rejectsPolicy("pick_first", { shuffleAddressList: 1 }, ".shuffleAddressList", "1 is not true or false");
    rejectsPolicy("least_request_experimental", { choiceCount: 1 }, ".choiceCount", "1 is below 2");
    rejectsPolicy("ring_hash_experimental", { minRingSize: 0 }, ".minRingSize", "0 is below 1");
    rejectsPolicy("ring_hash_experimental", { maxRingSize: 8_388_609 }, ".maxRingSize", "8388609 is above 8388608");
    rejectsPolicy(
      "ring_hash_experimental",
      { minRingSize: 9, maxRingSize: 8 },
      "",
      "minRingSize 9 is above maxRingSize 8",
    );
    rejectsPolicy("ring_hash_experimental", { requestHashHeader: "x-bin" }, "", /^option requestHashHeader is "x-bin"/);
    rejectsPolicy("weighted_round_robin", { blackoutPeriod: "-1s" }, ".blackoutPeriod", /is below 0s/);
    rejectsPolicy("weighted_round_robin", { errorUtilizationPenalty: -1 }, ".errorUtilizationPenalty", "-1 is below 0");
    rejectsPolicy("weighted_round_robin", { metricNamesForComputingUtilization: ["x"] }, "", /metricNames/);
    rejectsPolicy(
      "random_subsetting_experimental",
      { childPolicy: [{ round_robin: {} }] },
      ".subsetSize",
      "is missing",
    );
    rejectsPolicy("random_subsetting_experimental", { subsetSize: 1 }, ".childPolicy", "is missing");
    const bad = { subsetSize: 1, childPolicy: [{ pick_first: { shuffleAddressList: 1 } }] };
    rejectsPolicy(
      "random_subsetting_experimental",
      bad,
      ".childPolicy[0].pick_first.shuffleAddressList",
      /is not true/,
    );
  });

  it("may nest policies as deep as it needs", () => {
    const nested = (depth: number) => {
      let config: unknown = [{ round_robin: {} }];
      for (let i = 1; i < depth; i++) {
        config = [{ random_subsetting_experimental: { subsetSize: 1, childPolicy: config } }];
      }
      return fromServiceConfig({ loadBalancingConfig: config });
    };
    assert.equal(kindOf(nested(16).policy), "RoundRobinPicker");
    assert.throws(() => nested(17), /more than 16 policies/);
  });

  it("says which policies are not supported, at no great length", () => {
    const unknown = Array.from({ length: 50 }, (_, i) => ({ [`unknown_${i}`]: {} }));
    assert.throws(() => balancingOf(...unknown), (error: Error) => {
      return /has no supported policy \((.*)\): expected/.exec(error.message)?.[1]?.length === 200;
    });
  });

  it("bounds the choices of least_request as gRPC does", () => {
    assert.ok(balancingOf({ least_request_experimental: { choiceCount: 4_294_967_295 } }).policy);
    const most = "4294967296 is above 4294967295";
    rejectsPolicy("least_request_experimental", { choiceCount: 4_294_967_296 }, ".choiceCount", most);
    rejectsPolicy("random_subsetting_experimental", { subsetSize: 4_294_967_296 }, ".subsetSize", most);
  });

  it("bounds the ring as gRPC does, and takes what is left out as gRPC does", () => {
    const sizeOf = (config: object) => {
      const connections = [fakeConnection("a:1"), fakeConnection("b:1")];
      const { policy } = balancingOf({ ring_hash_experimental: config });
      return (policy!(connections, undefined, fakeEnvironment()) as unknown as { ring: { size: number } }).ring.size;
    };
    assert.equal(sizeOf({}), 1_024);
    assert.equal(sizeOf({ minRingSize: 8_388_608 }), 4_096);
    assert.equal(sizeOf({ minRingSize: 2_000, maxRingSize: 8_388_608 }), 2_000);
    assert.equal(sizeOf({ maxRingSize: 100 }), 100);
    assert.equal(sizeOf({ minRingSize: 8, maxRingSize: 8 }), 8);
    assert.ok(balancingOf({ ring_hash_experimental: { requestHashHeader: "" } }).policy);
  });

  it("renews the weights of weighted_round_robin every 100 ms at most", async () => {
    for (const [config, periodMs] of [[{}, 1_000], [{ weightUpdatePeriod: "0.05s" }, 100]] as const) {
      const clock = new ManualClock(), connections = [fakeConnection("a:1"), fakeConnection("b:1")];
      const { policy } = balancingOf({ weighted_round_robin: { blackoutPeriod: "0s", ...config } });
      const picker = policy!(connections, undefined, fakeEnvironment(clock)), call = callExcluding();
      for (const [i, cpuUtilization] of [0.1, 0.9].entries()) {
        const trailer = new Headers({
          "endpoint-load-metrics-bin": trailerOf({ cpuUtilization, rpsFractional: 100 }),
        });
        picker.done!(connections[i]!, { end: "answered", trailer } as Outcome, call);
      }
      const shareOf = () => picksOf(picker, connections, 100)[0]!;
      await clock.advance(periodMs - 1);
      assert.equal(shareOf(), 50);
      await clock.advance(1);
      assert.equal(shareOf(), 90);
    }
  });

  it("forgets the reports of weighted_round_robin as it says", async () => {
    for (
      const [config, lastMs] of [
        [{}, 180_000],
        [{ weightExpirationPeriod: "0s" }, 1],
        [{ weightExpirationPeriod: "2s" }, 2_000],
      ] as const
    ) {
      const clock = new ManualClock(), connection = fakeConnection("a:1");
      const { policy } = balancingOf({ weighted_round_robin: { blackoutPeriod: "0s", ...config } });
      const picker = policy!([connection], undefined, fakeEnvironment(clock));
      const trailer = new Headers({
        "endpoint-load-metrics-bin": trailerOf({ cpuUtilization: 1, rpsFractional: 100 }),
      });
      picker.done!(connection, { end: "answered", trailer } as Outcome, callExcluding());
      const isKnown = () => picker.describe!(connection)!["weight"] !== undefined;
      await clock.advance(lastMs - 1);
      assert.equal(isKnown(), true, `${lastMs}`);
      await clock.advance(1);
      assert.equal(isKnown(), false, `${lastMs}`);
    }
  });

  it("asks for reports out of band if it says so, as often as it says", async () => {
    for (
      const [config, periodMs] of [
        [{}, undefined],
        [{ oobReportingPeriod: "5s" }, undefined],
        [{ enableOobLoadReport: true }, 10_000],
        [{ enableOobLoadReport: true, oobReportingPeriod: "5s" }, 5_000],
        [{ enableOobLoadReport: true, oobReportingPeriod: "0s" }, 1],
      ] as const
    ) {
      const asked: number[] = [];
      const server = createRouterTransport(({ service }) =>
        service(OpenRcaService, {
          async *streamCoreMetrics({ reportInterval }) {
            asked.push(Number(reportInterval!.seconds) * 1_000 + reportInterval!.nanos / 1e6);
            yield {};
          },
        })
      );
      const { policy } = balancingOf({ weighted_round_robin: config });
      const picker = policy!([fakeConnection("a:1")], undefined, { ...fakeEnvironment(), transport: () => server });
      await settled();
      picker.close?.();
      assert.equal(asked[0], periodMs);
    }
  });

  it("may not nest policies without end", () => {
    let config: unknown = [{ round_robin: {} }];
    for (let i = 0; i < 5_000; i++) {
      config = [{ random_subsetting_experimental: { subsetSize: 1, childPolicy: config } }];
    }
    assert.throws(() => fromServiceConfig({ loadBalancingConfig: config }), /more than 16 policies/);
  });

  it("may choose policies of the program's own by name", () => {
    const own: Policy = () => ({ pick: () => "wait" });
    const json = { loadBalancingConfig: [{ p2c_ewma: { anything: 1 } }] };
    assert.equal(fromServiceConfig(json, { policies: { p2c_ewma: own } }).policy, own);
    assert.throws(
      () => fromServiceConfig({ loadBalancingConfig: [{ "my-policy": 1 }] }, { policies: { "my-policy": own } }),
      /^ServiceConfigError: loadBalancingConfig\[0\]\["my-policy"\]: 1 is not an object/,
    );
    assert.throws(
      () => fromServiceConfig(json, { policies: { p2c_ewma: 1 as never } }),
      /option policies\["p2c_ewma"\] is 1/,
    );
  });

  it("comes before the deprecated loadBalancingPolicy", () => {
    const { policy } = fromServiceConfig({
      loadBalancingConfig: [{ round_robin: {} }],
      loadBalancingPolicy: "pick_first",
    });
    assert.equal(kindOf(policy), "RoundRobinPicker");
    const kinds = ["round_robin", "ROUND_ROBIN", "something"].map((loadBalancingPolicy) => {
      return kindOf(fromServiceConfig({ loadBalancingPolicy }).policy);
    });
    assert.deepEqual(kinds, ["RoundRobinPicker", "RoundRobinPicker", "FirstPicker"]);
    rejects({ loadBalancingPolicy: 1 }, "loadBalancingPolicy", "1 is not a string");
  });
});

describe("outlier_detection_experimental of a service config", () => {
  const childPolicy = [{ least_request_experimental: {} }];
  const outliersOf = (config: object) =>
    balancingOf({ outlier_detection_experimental: { childPolicy, ...config } }).ejectOutliers;

  it("has the algorithms that it names, with the defaults of A50", () => {
    assert.deepEqual(outliersOf({ successRateEjection: {}, failurePercentageEjection: {} }), {
      consecutiveFailures: false,
      successRate: { stdevFactor: 1_900, minimumHosts: 5, requestVolume: 100 },
      failurePercentage: { threshold: 85, minimumHosts: 5, requestVolume: 50 },
      intervalMs: 10_000,
      baseEjectionMs: 30_000,
      maxEjectionMs: 300_000,
      maxEjectionPercent: 10,
    });
    assert.deepEqual(outliersOf({ failurePercentageEjection: {}, baseEjectionTime: "0.001s", maxEjectionTime: "0s" }), {
      consecutiveFailures: false,
      successRate: false,
      failurePercentage: { threshold: 85, minimumHosts: 5, requestVolume: 50 },
      intervalMs: 10_000,
      baseEjectionMs: 1,
      maxEjectionMs: 1,
      maxEjectionPercent: 10,
    });
    assert.deepEqual(
      outliersOf({
        interval: "1s",
        baseEjectionTime: "2s",
        maxEjectionTime: "3s",
        maxEjectionPercent: 40,
        successRateEjection: { stdevFactor: 0, enforcementPercentage: 0 },
        failurePercentageEjection: { threshold: 0, minimumHosts: 0, requestVolume: 7, enforcementPercentage: 100 },
      }),
      {
        consecutiveFailures: false,
        successRate: false,
        failurePercentage: { threshold: 0, minimumHosts: 1, requestVolume: 7 },
        intervalMs: 1_000,
        baseEjectionMs: 2_000,
        maxEjectionMs: 3_000,
        maxEjectionPercent: 40,
      },
    );
  });

  it("is off without an algorithm, or if nobody may be ejected", () => {
    assert.equal(outliersOf({}), false);
    assert.equal(outliersOf({ successRateEjection: { enforcementPercentage: 0 } }), false);
    assert.equal(outliersOf({ successRateEjection: {}, maxEjectionPercent: 0 }), false);
  });

  it("has the policy of its child", () => {
    const { policy } = balancingOf({ outlier_detection_experimental: { childPolicy } });
    assert.equal(kindOf(policy), kindOf(balancingOf(...childPolicy).policy));
    rejectsPolicy("outlier_detection_experimental", {}, ".childPolicy", "is missing");
  });

  it("is checked", () => {
    const bad = (config: object, path: string, reason: RegExp | string) =>
      rejectsPolicy("outlier_detection_experimental", { childPolicy, ...config }, path, reason);
    bad({ interval: "0s" }, ".interval", /not above 0s/);
    bad({ maxEjectionPercent: 101 }, ".maxEjectionPercent", "101 is above 100");
    bad({ failurePercentageEjection: { threshold: 101 } }, ".failurePercentageEjection.threshold", "101 is above 100");
    const at = ".successRateEjection.enforcementPercentage";
    bad({ successRateEjection: { enforcementPercentage: 50 } }, at, "50 is not supported: expected 0 or 100");
    bad({ successRateEjection: { enforcementPercentage: -1 } }, at, "-1 is below 0");
    bad({ successRateEjection: { enforcementPercentage: 101 } }, at, "101 is above 100");
    const hosts = ".successRateEjection.minimumHosts";
    bad({ successRateEjection: { minimumHosts: 4_294_967_296 } }, hosts, "4294967296 is above 4294967295");
  });

  it("makes options that a transport takes", async () => {
    const test = balanced({
      ...balancingOf({ outlier_detection_experimental: { childPolicy, successRateEjection: {} } }),
    });
    await test.transport.close();
  });
});

describe("any service config", () => {
  const names = ["loadBalancingConfig", "loadBalancingPolicy", "methodConfig", "retryThrottling", "healthCheckConfig"];
  const fields = [
    "name",
    "service",
    "method",
    "timeout",
    "retryPolicy",
    "hedgingPolicy",
    "childPolicy",
    "round_robin",
    "serviceName",
    "random_subsetting_experimental",
    "outlier_detection_experimental",
    "ring_hash_experimental",
    "subsetSize",
    "weighted_round_robin",
    "maxTokens",
    "tokenRatio",
    "__proto__",
    ...Object.keys(retryPolicy),
  ];
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(null, true, 0, 1, 3, -1, 1e300, 0.5, "", "1s", "-1s", "UNAVAILABLE", "proto.Simple"),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...fields), tie("value"), { maxKeys: 4 }),
    ),
  }));
  const config = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 });

  it("is read, into what a transport takes, or rejected with the typed error", async () => {
    const read: ReturnType<typeof fromServiceConfig>[] = [];
    const attempt = (json: string) => {
      for (const parse of [fromServiceConfig, untrustedServiceConfig]) {
        try {
          const made = parse(json);
          if ("defaultServiceConfig" in made) read.push(made);
        } catch (error) {
          if (!(error instanceof ServiceConfigError)) throw error;
        }
      }
    };
    fc.assert(fc.property(config, (given) => attempt(JSON.stringify(given))), { numRuns: 2_000 });
    fc.assert(fc.property(fc.string(), attempt), { numRuns: 500 });
    fc.assert(fc.property(fc.json(), attempt), { numRuns: 500 });
    for (const options of read.slice(0, 50)) {
      const test = balanced({ ...options });
      await test.transport.close();
    }
  });

  it("may be nested as deep as it likes", () => {
    for (const json of ["[".repeat(60_000), `${"[".repeat(30_000)}${"]".repeat(30_000)}`]) {
      assert.throws(() => untrustedServiceConfig(json), ServiceConfigError);
      assert.throws(() => fromServiceConfig(json), ServiceConfigError);
    }
  });
});
