# syntax=docker/dockerfile:1
# The same sources give the same image:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v0.1.0 --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
ENV GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY *.go ./
COPY api api
COPY controllers controllers
COPY internal internal
COPY webhooks webhooks
ARG TARGETOS TARGETARCH VERSION=dev SOURCE_DATE_EPOCH=0
# No path, no commit and no clock of the machine that builds goes into the program, or into what the layer says of it.
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$VERSION" -o /manager . \
	&& touch --date="@$SOURCE_DATE_EPOCH" /manager

FROM scratch
COPY --from=build /manager /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
