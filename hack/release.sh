#!/usr/bin/env bash
# Builds what is published of a version, into dist/: hack/release.sh VERSION
#
#   PLATFORMS="linux/amd64 darwin/arm64"   build for these alone; the manager is built for those of Linux
#   ALLOW_DIRTY=1                          build what is not committed too, to try it out
#
# One Go and one commit give the same files, whatever the machine and the day.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1-}
if ! [[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "error: VERSION is \"$version\": give a version such as v1.2.3 or v1.2.3-rc.1" >&2
	exit 2
fi
for tool in helm cyclonedx-gomod; do
	if ! [ -x "bin/$tool" ]; then
		echo "error: bin/$tool is missing: \"make release VERSION=$version\" builds it first" >&2
		exit 2
	fi
done
if [ -z "${ALLOW_DIRTY-}" ] && [ -n "$(git status --porcelain)" ]; then
	echo "error: there are changes that are not committed: commit them, or set ALLOW_DIRTY=1 to try it out" >&2
	exit 2
fi
if ! git tag --points-at HEAD | grep -qxF "$version"; then
	echo "note: HEAD does not have the tag $version"
fi
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# Of what "go env -w" has set, only where modules come from and are kept holds.
for name in GOPROXY GOSUMDB GOPRIVATE GONOPROXY GONOSUMDB GOINSECURE GOAUTH GOVCS GOTOOLCHAIN GOPATH GOCACHE GOMODCACHE; do
	export "$name=$(go env "$name")"
done
# What the environment could add to a program or an archive.
export GOENV=off GOWORK=off GOFLAGS='' GOEXPERIMENT='' GOFIPS140=off GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0 TZ=UTC
umask 022

rm -rf dist
mkdir -p dist/build

# build PROGRAM PACKAGE OS/ARCH
build() {
	local program=$1 package=$2 os=${3%/*} arch=${3#*/} out
	out=dist/build/${program}_${os}_$arch
	mkdir -p "$out"
	local suffix=
	[ "$os" != windows ] || suffix=.exe
	GOOS=$os GOARCH=$arch hack/build.sh "$out/$program$suffix" . "$package" \
		-trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version"
	GOOS=$os GOARCH=$arch bin/cyclonedx-gomod app -json -noserial -std -licenses -output-version 1.5 -main "$package" \
		-output "$out/sbom.json" . 2>"$out.log" || { cat "$out.log" >&2; exit 1; }
	rm "$out.log"
}

echo "releasing $version with $(go env GOVERSION), of $(git rev-parse --short HEAD), for $platforms"
for platform in $platforms; do
	build kubectl-cells ./cmd/kubectl-cells "$platform"
	case $platform in
	linux/*) build cellfed-manager . "$platform" ;;
	esac
done

echo "packaging the chart"
chart=$(mktemp -d)
trap 'rm -rf "$chart"' EXIT
cp -R charts/cellfed "$chart/cellfed"
# helm keeps the files' times.
find "$chart" -exec touch -d "@$SOURCE_DATE_EPOCH" {} + 2>/dev/null || find "$chart" -exec touch -t "$(date -u -r "$SOURCE_DATE_EPOCH" +%Y%m%d%H%M.%S)" {} +
bin/helm package "$chart/cellfed" --version "${version#v}" --app-version "$version" --destination dist >/dev/null

echo "packing"
go run ./hack/release pack -version "$version" -time "$SOURCE_DATE_EPOCH" -dist dist
rm -rf dist/build
go run ./hack/release check -version "$version" -dist dist
(cd dist && ls -l)
