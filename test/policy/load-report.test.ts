import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { base64Encode, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { type LoadReport, loadReportIn, readLoadReport, utilizationOf } from "../../src/policy/load-report.ts";
import { LoadTrailer, trailerOf } from "../../src/server/load-trailer.ts";

type Init = MessageInitShape<typeof OrcaLoadReportSchema>;

/** What both kinds of reader know of a report. */
function fieldsOf(report: LoadReport) {
  const { cpuUtilization, memUtilization, applicationUtilization, rpsFractional, eps } = report;
  return {
    ...{ cpuUtilization, memUtilization, applicationUtilization, rpsFractional, eps },
    utilization: { ...report.utilization },
    namedMetrics: { ...report.namedMetrics },
  };
}

const trailer = (value: string) => new Headers({ "endpoint-load-metrics-bin": value });
const reportOf = (init: Init): LoadReport => fieldsOf(create(OrcaLoadReportSchema, init));

const metrics = fc.dictionary(fc.string({ unit: "binary", maxLength: 40 }), fc.double(), {
  maxKeys: 5,
  noNullPrototype: true,
});
const reports: fc.Arbitrary<Init> = fc.record({
  cpuUtilization: fc.double(),
  memUtilization: fc.double(),
  applicationUtilization: fc.double(),
  rps: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  rpsFractional: fc.double(),
  eps: fc.double(),
  requestCost: metrics,
  utilization: metrics,
  namedMetrics: metrics,
}, { requiredKeys: [] }).filter(({ requestCost, utilization, namedMetrics }) =>
  ![requestCost, utilization, namedMetrics].some((map) => map !== undefined && Object.hasOwn(map, "__proto__"))
);

describe("a load report", () => {
  it("is read as generated code reads it", () => {
    fc.assert(fc.property(reports, (init) => {
      const bytes = toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, init));
      assert.deepEqual(fieldsOf(readLoadReport(bytes)), fieldsOf(fromBinary(OrcaLoadReportSchema, bytes)));
    }));
  });

  it("is read as generated code reads it if its end is missing, or not at all", () => {
    fc.assert(fc.property(reports, fc.nat(), (init, length) => {
      const whole = toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, init));
      const bytes = whole.subarray(0, length % (whole.length + 1));
      const result = (read: () => LoadReport) => {
        try {
          return fieldsOf(read());
        } catch (error) {
          assert.ok(error instanceof Error);
          return "an error";
        }
      };
      assert.deepEqual(
        result(() => readLoadReport(bytes)),
        result(() => fromBinary(OrcaLoadReportSchema, bytes)),
      );
    }));
  });

  it("is numbers, or can't be read, if its bytes are any", () => {
    const damaged = fc.tuple(reports, fc.nat(), fc.nat(255)).map(([init, at, byte]) => {
      const bytes = toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, init));
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        let report: LoadReport;
        try {
          report = readLoadReport(bytes);
        } catch (error) {
          return assert.ok(error instanceof Error);
        }
        const { utilization, namedMetrics, ...numbers } = report;
        const values = [utilization, namedMetrics, numbers].flatMap((map) => Object.values(map));
        assert.ok(values.every((value) => typeof value === "number"));
      }),
      { numRuns: 1_000 },
    );
  });

  it("may have fields that are not known yet, in the message and in the entries of its maps", () => {
    const entry = new BinaryWriter().tag(1, WireType.LengthDelimited).string("rif")
      .tag(3, WireType.Varint).uint64(2n ** 64n - 1n).tag(2, WireType.Bit64).double(7)
      .tag(4, WireType.Bit32).fixed32(1).finish();
    const bytes = new BinaryWriter().tag(100, WireType.LengthDelimited).bytes(new Uint8Array(200))
      .tag(101, WireType.Varint).uint32(300).tag(102, WireType.Bit32).fixed32(1).tag(103, WireType.Bit64).double(1)
      .tag(8, WireType.LengthDelimited).bytes(entry).tag(7, WireType.Bit64).double(0.5).finish();
    assert.deepEqual(fieldsOf(readLoadReport(bytes)), reportOf({ eps: 0.5, namedMetrics: { rif: 7 } }));
  });

  it("can't be read if it ends too early, at whichever byte, or has a tag of another kind", () => {
    const init = { eps: 1, namedMetrics: { rif: 2 }, utilization: { disk: 0.5 } };
    const bytes = toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, init));
    let whole = 0;
    for (let length = 1; length < bytes.length; length++) {
      try {
        readLoadReport(bytes.subarray(0, length));
        whole++;
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }
    assert.equal(whole, 2, "it may end after a field");
    const wrong = [[0], [1], [3], [11, 12], [14], [0x80], Array<number>(11).fill(0x80), [0xff, 0xff, 0xff, 0xff, 0x1f]];
    for (const tag of wrong) {
      assert.throws(() => readLoadReport(new Uint8Array([...tag, 0, 0, 0, 0, 0, 0, 0, 0])), Error);
    }
  });

  it("is found in the trailers that a server of this library sends", () => {
    const init = { cpuUtilization: 0.25, eps: 2, namedMetrics: { queue: 3 } };
    assert.deepEqual(fieldsOf(loadReportIn(trailer(trailerOf(init)))!), reportOf(init));
    const usual = new LoadTrailer(init).with(5, 12.5);
    const namedMetrics = { rif: 5, latency_ms: 12.5, queue: 3 };
    assert.deepEqual(fieldsOf(loadReportIn(trailer(usual))!), reportOf({ ...init, namedMetrics }));
  });

  it("is ignored if there is none, or not one, if it is no base64, or too large", () => {
    assert.equal(loadReportIn(new Headers()), undefined);
    const one = trailerOf({ eps: 1 }), two = trailer(one);
    two.append("endpoint-load-metrics-bin", one);
    assert.equal(loadReportIn(two), undefined);
    assert.equal(loadReportIn(trailer("!")), undefined);
    assert.equal(loadReportIn(trailer("AAAA")), undefined);
    const long = (length: number) => ({ namedMetrics: { ["x".repeat(length)]: 1 } });
    // Beside the name there are 15 bytes: three tags and two lengths of two or three bytes, and a number.
    assert.equal(toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, long(16_369))).length, 16_384);
    assert.ok(loadReportIn(trailer(trailerOf(long(16_369)))));
    assert.equal(loadReportIn(trailer(trailerOf(long(16_370)))), undefined);
    assert.equal(loadReportIn(trailer(trailerOf(long(16_400)))), undefined);
    const bytes = toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, long(16_400)));
    assert.throws(() => readLoadReport(bytes), /16\d+ bytes/);
    assert.equal(loadReportIn(trailer(base64Encode(new Uint8Array(3)))), undefined);
  });
});

describe("a server's utilization", () => {
  const report = reportOf({
    cpuUtilization: 0.5,
    memUtilization: 0.7,
    applicationUtilization: 0.3,
    namedMetrics: { "a.b": 0.9, nan: NaN, negative: -1, zero: 0 },
    utilization: { disk: 0.8, "": 0.6 },
  });

  it("is what it reckons itself, else its CPU", () => {
    assert.equal(utilizationOf(report), 0.3);
    assert.equal(utilizationOf({ ...report, applicationUtilization: 0 }), 0.5);
    assert.equal(utilizationOf({ ...report, applicationUtilization: NaN }), 0.5);
    assert.equal(utilizationOf(reportOf({})), 0);
  });

  const cases: [string[], number][] = [
    [["cpu_utilization"], 0.5],
    [["mem_utilization"], 0.7],
    [["application_utilization"], 0.3],
    [["named_metrics.a.b"], 0.9],
    [["utilization.disk"], 0.8],
    [["utilization."], 0.6],
    [["cpu_utilization", "utilization.disk", "mem_utilization"], 0.8],
    [["named_metrics.nan", "named_metrics.negative", "cpu_utilization"], 0.5],
    [["named_metrics.nan"], 0.3],
    [["named_metrics.negative"], 0.3],
    [["named_metrics.zero"], 0.3],
    [["named_metrics.a"], 0.3],
    [["named_metrics.constructor", "utilization.toString"], 0.3],
    [["named_metrics", "utilization", "eps", "other.disk", ""], 0.3],
  ];
  for (const [names, expected] of cases) {
    it(`is ${expected} by ${names.join(", ") || "an empty name"}`, () => {
      assert.equal(utilizationOf(report, names), expected);
    });
  }
});
