import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkConfigKey } from "../../src/etcd/config-key.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import { goZero } from "../../src/registry/layout/go-zero.ts";
import { grpclb } from "../../src/registry/layout/grpclb.ts";
import { kitex } from "../../src/registry/layout/kitex.ts";
import { kratos } from "../../src/registry/layout/kratos.ts";
import type { Layout } from "../../src/registry/layout/layout.ts";

const layouts: Readonly<Record<string, Layout>> = {
  grpclb: grpclb(),
  "grpclb with a prefix": grpclb({ prefix: "/services" }),
  etcdNaming: etcdNaming(),
  "etcdNaming with a prefix": etcdNaming({ prefix: "foo/bar" }),
  goZero: goZero(),
  kitex: kitex(),
  kratos: kratos(),
};

describe("the key of a service config", () => {
  it("may not lie below the prefix of a service, in any layout", () => {
    for (const [name, layout] of Object.entries(layouts)) {
      for (const service of ["simple", "a", "any-service", "other.Service"]) {
        const prefix = layout.prefix(service);
        for (const key of [prefix, `${prefix}config`, `${prefix}a/b/c`, `${prefix}/`]) {
          assert.throws(() => checkConfigKey(key, layout), (error: Error) => {
            assert.ok(error instanceof TypeError, name);
            assert.match(error.message, /lies below the prefix of a service named .* would read it as an endpoint/);
            assert.ok(error.message.includes(JSON.stringify(service)), error.message);
            return true;
          }, `${name}: ${key}`);
        }
      }
    }
  });

  it("may lie outside of all services, in every layout", () => {
    for (const layout of Object.values(layouts)) {
      for (const key of ["/service-config.simple", "simple", "service_config", "/"]) checkConfigKey(key, layout);
    }
    checkConfigKey("/config/simple", grpclb());
    checkConfigKey("/grpclb", grpclb());
    checkConfigKey("/grpclb/simple", grpclb());
    checkConfigKey("/grpclb-config/simple", grpclb());
    checkConfigKey("foo/config", etcdNaming({ prefix: "foo/bar" }));
  });

  it("is none that a layout of names as deep as one likes may hold", () => {
    for (const layout of [etcdNaming(), goZero()]) {
      assert.throws(() => checkConfigKey("/config/simple", layout), /a service named "\/config"/);
      assert.throws(() => checkConfigKey("config/simple", layout), /a service named "config"/);
    }
  });

  it("is compared with the prefix itself where the layout does not spell names out", () => {
    const layout: Layout = { ...grpclb(), prefix: () => "/all/" };
    assert.throws(() => checkConfigKey("/all/config", layout), TypeError);
    checkConfigKey("/other/config", layout);
  });

  it("is a string that is not empty", () => {
    for (const key of ["", undefined, null, 7, {}]) {
      assert.throws(() => checkConfigKey(key, grpclb()), (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /the key of a service config is .*: expected a key outside of all services/);
        return true;
      });
    }
  });

  it("is checked at once, before anything is asked of etcd", async () => {
    const registry = createEtcdRegistry({ endpoints: ["http://127.0.0.1:1"] });
    assert.throws(() => registry.serviceConfig("/grpclb/simple/service_config"), TypeError);
    registry.serviceConfig("/service-config.simple");
    await registry.close();
  });
});
