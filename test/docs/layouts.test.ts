import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  dubboApplication,
  dubboInterface,
  etcdNaming,
  goMicro,
  goZero,
  grpclb,
  kitex,
  kratos,
  type Layout,
  wonaming,
  wwcdGrpcLb,
} from "../../src/etcd.ts";
import { allBlocks } from "./blocks.ts";

const LAYOUTS: Readonly<Record<string, Layout>> = {
  "`grpclb()`: the default": grpclb(),
  "`etcdNaming()`: etcd's own resolver for grpc-go": etcdNaming(),
  "`goZero()`": goZero(),
  "`kratos()`": kratos(),
  "`kitex()`": kitex(),
  "`wonaming()`": wonaming(),
  "`wwcdGrpcLb()`": wwcdGrpcLb(),
  "`goMicro()`": goMicro(),
  "`dubboApplication()`": dubboApplication(),
  "`dubboInterface()`": dubboInterface(),
};

describe("docs/layouts.md shows the key and the value that are written", () => {
  for (const [heading, layout] of Object.entries(LAYOUTS)) {
    it(`under ${heading}`, () => {
      const block = allBlocks().find(({ name }) => name === `docs/layouts.md: ${heading}`);
      const { key, value } = layout.write({ service: "helloworld", address: "10.0.0.5:9000", lease: 7587869123n });
      assert.equal(block?.text, `${`${key}\n${value}`.trimEnd()}\n`);
    });
  }
});
