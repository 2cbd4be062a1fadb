/** Comes after an archive that is whole. */
export const wholeMark = Buffer.from("\n#whole\n");
