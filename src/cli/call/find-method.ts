import type { DescMethod, Registry } from "@bufbuild/protobuf";
import { nearest } from "../../option.ts";
import { usageError } from "../exit.ts";
import { methodPaths, type Schema } from "./descriptors.ts";

/** A method, and the types that its messages may contain. */
export interface FoundMethod {
  readonly method: DescMethod;
  readonly types: Registry;
}

/** How many names an error lists. */
const MOST_NAMED = 10;

/**
 * Finds a method by its name: `pkg.Service/Method`, `/pkg.Service/Method` or `pkg.Service.Method`.
 *
 * @throws CliError that says what may have been meant; whatever the schema's methods reject with.
 */
export async function findMethod(schema: Schema, name: string): Promise<FoundMethod> {
  const [, serviceName, methodName] = /^\/?(.+)[/.]([^/.]+)$/.exec(name) ?? [];
  if (serviceName === undefined || methodName === undefined) {
    throw usageError(
      `${JSON.stringify(name)} is no method: expected pkg.Service/Method`,
      ...await suggestServices(schema, name),
    );
  }
  const found = await schema.service(serviceName);
  if (found === undefined) {
    throw usageError(
      `there is no service ${JSON.stringify(serviceName)}`,
      ...await suggestServices(schema, serviceName),
    );
  }
  const { service, types } = found;
  const method = service.methods.find((candidate) => candidate.name === methodName);
  if (method !== undefined) return { method, types };
  const near = nearest(methodName, service.methods.map((candidate) => candidate.name));
  throw usageError(
    `${serviceName} has no method ${JSON.stringify(methodName)}`,
    near === undefined ? `it has ${some(methodPaths(service))}` : `did you mean ${serviceName}/${near}?`,
  );
}

async function suggestServices(schema: Schema, name: string): Promise<readonly string[]> {
  const names = (await schema.services()).filter((service) => !/^grpc\.(reflection|health)\./.test(service));
  // Without its package, a service is easily recognised.
  const sameEnd = names.filter((candidate) => candidate.endsWith(`.${name}`));
  const near = sameEnd.length === 1 ? sameEnd[0] : nearest(name, names);
  return [...near === undefined ? [] : [`did you mean ${near}?`], `there are ${some(names)}`];
}

function some(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return `${names.slice(0, MOST_NAMED).join(", ")}${more}`;
}
