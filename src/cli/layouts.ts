import { dubboApplication } from "../registry/layout/dubbo-application.ts";
import { dubboInterface } from "../registry/layout/dubbo-interface.ts";
import { etcdNaming } from "../registry/layout/etcd-naming.ts";
import { goMicro } from "../registry/layout/go-micro.ts";
import { goZero } from "../registry/layout/go-zero.ts";
import { grpclb } from "../registry/layout/grpclb.ts";
import { kitex } from "../registry/layout/kitex.ts";
import { kratos } from "../registry/layout/kratos.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { wonaming } from "../registry/layout/wonaming.ts";
import { wwcdGrpcLb } from "../registry/layout/wwcd-grpc-lb.ts";
import type { EndpointAttributes } from "../registry/registry.ts";
import { usageError } from "./exit.ts";

/** How each layout is made, and whether its prefix can be chosen. */
const MAKERS: Readonly<Record<string, { readonly prefix: boolean; make(prefix?: string): Layout }>> = {
  grpclb: { prefix: true, make: (prefix) => grpclb(prefix === undefined ? {} : { prefix }) },
  etcdNaming: { prefix: true, make: (prefix) => etcdNaming(prefix === undefined ? {} : { prefix }) },
  goZero: { prefix: false, make: () => goZero() },
  kratos: { prefix: false, make: () => kratos() },
  kitex: { prefix: false, make: () => kitex() },
  goMicro: { prefix: false, make: () => goMicro() },
  dubboApplication: { prefix: false, make: () => dubboApplication() },
  dubboInterface: { prefix: false, make: () => dubboInterface() },
  wonaming: { prefix: false, make: () => wonaming() },
  wwcdGrpcLb: { prefix: false, make: () => wwcdGrpcLb() },
};

/** The layouts by the names that `--layout` takes. */
export const LAYOUT_NAMES: readonly string[] = Object.keys(MAKERS);

/** The layouts that can store these attributes. */
export function layoutsThatStore(attributes: EndpointAttributes): readonly string[] {
  return LAYOUT_NAMES.filter((name) => {
    try {
      MAKERS[name]?.make().write({ service: "s", address: "10.0.0.1:1", lease: 1n, ...attributes });
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * The layout of a name.
 *
 * @param from where the prefix is from, for errors: `--prefix`
 * @throws CliError if the layout has no prefix to choose, or the prefix is invalid.
 */
export function layoutNamed(name: string, prefix?: string, from = "--prefix"): Layout {
  const maker = MAKERS[name];
  if (maker === undefined) throw usageError(`there is no layout ${JSON.stringify(name)}`, LAYOUT_NAMES.join(", "));
  if (prefix !== undefined && !maker.prefix) {
    const able = LAYOUT_NAMES.filter((candidate) => MAKERS[candidate]?.prefix).join(" and ");
    throw usageError(`the layout ${name} has keys of its own, without a prefix to choose`, `${from} goes with ${able}`);
  }
  try {
    return maker.make(prefix);
  } catch (error) {
    throw usageError(`${from}: ${(error as Error).message}`);
  }
}
