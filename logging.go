package main

import (
	"github.com/go-logr/logr"
	uberzap "go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// newLogger returns a logger that encodes the values it is given once something is logged with them. controller-runtime gives each
// call of a reconciler and of a webhook a logger with values of its own, and hardly any of them is logged with.
func newLogger(o *zap.Options) logr.Logger {
	return zap.New(zap.UseFlagOptions(o), zap.RawZapOpts(uberzap.WrapCore(func(core zapcore.Core) zapcore.Core { return lazy{core} })))
}

type lazy struct{ zapcore.Core }

// With implements zapcore.Core.
func (l lazy) With(fields []zapcore.Field) zapcore.Core {
	return lazy{zapcore.NewLazyWith(l.Core, fields)}
}
