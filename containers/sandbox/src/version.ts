/** Equal to the version in package.json (a unit test holds them together). */
export const version = "0.1.0";
