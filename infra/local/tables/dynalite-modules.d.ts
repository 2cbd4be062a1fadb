/** dynalite 4.0.0 ships no types. What is used of its internals is described in `dynalite.ts`. */
declare module "dynalite/*" {
  const internals: unknown;
  export default internals;
}
