import { quoted } from "../../option.ts";
import type { EndpointAttributes } from "../registry.ts";
import { goMap } from "./go-json.ts";

/** Rejects attributes that a layout would have to drop. @throws TypeError that names the attribute. */
export function refuseAttributes(
  layout: string,
  attributes: EndpointAttributes,
  names: readonly (keyof EndpointAttributes)[],
): void {
  for (const name of names) {
    if (attributes[name] === undefined) continue;
    throw new TypeError(
      `the layout ${layout} can't store ${name}: use etcdNaming(), kratos() or kitex(), or leave ${name} out`,
    );
  }
}

/**
 * Zone and metadata as Go's `map[string]string`, with weight if the layout keeps it there; null if there is nothing.
 *
 * @throws TypeError if the metadata is anything but an object of strings.
 */
export function stringMap(layout: string, { zone, metadata }: EndpointAttributes, weight?: number): unknown {
  const expected = `the layout ${layout} takes metadata that is an object of strings`;
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))) {
    throw new TypeError(`metadata ${quoted(metadata)}: ${expected}`);
  }
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (typeof value !== "string") throw new TypeError(`metadata ${key}: ${quoted(value)}: ${expected}`);
  }
  const map = {
    ...metadata,
    ...(zone === undefined ? {} : { zone }),
    ...(weight === undefined ? {} : { weight: String(weight) }),
  };
  return Object.keys(map).length === 0 ? null : goMap(map);
}

/** Go reads these weights as integers. @throws RangeError for any other number. */
export function checkWholeWeight(layout: string, weight: number | undefined): void {
  if (weight === undefined || Number.isSafeInteger(weight)) return;
  throw new RangeError(`weight ${weight}: the layout ${layout} takes whole numbers`);
}
