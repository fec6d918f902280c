//go:build deps

package main

import (
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/spf13/cobra"
	_ "github.com/tidwall/gjson"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/net/http2"
	_ "pgregory.net/rapid"
	_ "go.uber.org/zap"
	_ "go.uber.org/zap/zapcore"
	_ "k8s.io/apimachinery/pkg/api/meta"
	_ "k8s.io/client-go/dynamic"
	_ "k8s.io/client-go/tools/events"
	_ "sigs.k8s.io/controller-runtime"
	_ "sigs.k8s.io/controller-runtime/pkg/envtest"
	_ "sigs.k8s.io/controller-runtime/pkg/certwatcher"
	_ "sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	_ "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	_ "sigs.k8s.io/controller-runtime/pkg/webhook"
	_ "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	_ "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	_ "k8s.io/kube-openapi/pkg/validation/spec"
	_ "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
	_ "sigs.k8s.io/kubefed/pkg/apis/core/typeconfig"
	_ "sigs.k8s.io/yaml"
)
