// Unpacks the Chromium of @sparticuz/chromium and the libraries that it needs into node_modules/.chromium:
// the package's own function would write to the machine's folder for temporary files.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { brotliDecompressSync } from "node:zlib";
import { extract } from "tar-fs";

const packed = new URL("./node_modules/@sparticuz/chromium/bin/", import.meta.url);
const folder = new URL("./node_modules/.chromium/", import.meta.url);
const unpacked = (name) => brotliDecompressSync(readFileSync(new URL(name, packed)));

mkdirSync(folder, { recursive: true });
for (const archive of ["aws.tar.br", "swiftshader.tar.br"]) {
  await pipeline(Readable.from([unpacked(archive)]), extract(folder.pathname));
}
writeFileSync(new URL("chromium", folder), unpacked("chromium.br"), { mode: 0o755 });
