/** What a config says of some options: without those that it leaves out, which then have their defaults. */
export function said<Options extends object>(
  options: { readonly [Name in keyof Options]: Options[Name] | undefined },
): Partial<Options> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<Options>;
}
