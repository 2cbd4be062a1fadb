#!/usr/bin/env bash
# Builds the sandbox image without Docker and without a registry, and runs both programs from it. Needs root; takes a minute.
# Usage: .ci/image.sh [--keep DIRECTORY]   (leaves the root filesystem in DIRECTORY)
set -euo pipefail
cd "$(dirname "$0")/.."

keep=""
if [ "${1:-}" = "--keep" ]; then keep=$2; fi

skip() { printf '\n*** SKIPPED: the sandbox image was NOT built: %s ***\n\n' "$1"; exit 0; }

missing=()
for pair in buildah:buildah mmdebstrap:mmdebstrap bwrap:bubblewrap; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[ "$(id -u)" -eq 0 ] || skip "it needs root"
if [ "${#missing[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null || skip "${missing[*]} missing, and no apt-get"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 \
    || skip "could not install ${missing[*]}"
fi
[ -f dist/sandbox/supervisor.mjs ] || { echo "dist/sandbox is missing: run npm run build first" >&2; exit 1; }

work=$(mktemp -d)
container=""
cleanup() {
  if [ -n "$container" ]; then image umount "$container" >/dev/null 2>&1 || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

# Its own storage: nothing of it stays, nothing else is touched.
printf '[containers]\ndefault_ulimits=["nofile=1024:1024"]\ncgroups="disabled"\n' > "$work/containers.conf"
export CONTAINERS_CONF=$work/containers.conf BUILDAH_ISOLATION=chroot
image() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

node_binary=node_modules/node-linux-$(node -p process.arch)/bin/node
[ -x "$node_binary" ] || { echo "$node_binary is missing: npm install left out an optional package" >&2; exit 1; }

echo "base: Debian bookworm and Node $("$node_binary" --version)"
mmdebstrap --quiet --variant=minbase \
  --include=ca-certificates,curl,git,make,procps,python3,ripgrep,unzip bookworm "$work/base.tar"
base=$(image from scratch)
image add -q "$base" "$work/base.tar" / >/dev/null
image copy -q --chmod 0755 "$base" "$node_binary" /usr/local/bin/node >/dev/null
image config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$base"
image commit -q --rm "$base" localhost/sandbox-base:bookworm >/dev/null
rm "$work/base.tar"

echo "image: containers/sandbox/Dockerfile, without network"
mkdir "$work/context"
cp dist/sandbox/*.mjs dist/sandbox/Dockerfile dist/sandbox/package.json "$work/context/"
node --import tsx scripts/vendor-sandbox.ts "$work/context"
image bud -q --layers=false --network none --build-arg BASE=localhost/sandbox-base:bookworm \
  -t localhost/sandbox:test "$work/context" >/dev/null

container=$(image from localhost/sandbox:test)
root=$(image mount "$container")
echo "size: $(du -sm "$root" | cut -f1) MB"

echo "run: both programs, and the main job end to end, from this root filesystem"
SANDBOX_ROOT_FILESYSTEM=$root node_modules/.bin/jest --selectProjects integration e2e \
  --testPathPatterns 'test/(integration/ecs/image|e2e/main-job)'

if [ -n "$keep" ]; then
  mkdir -p "$keep"
  cp -a "$root/." "$keep/"
  echo "kept in $keep"
fi
