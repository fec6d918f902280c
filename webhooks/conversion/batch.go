package conversion

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"golang.org/x/sync/errgroup"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// parallelBytes is the size from which a batch is worth more than one core.
	parallelBytes = 128 << 10
	// minChunkBytes is the least that is worth handing to another goroutine.
	minChunkBytes = 32 << 10
	// chunksPerCore evens out objects of different sizes.
	chunksPerCore = 4
	// headRoom is for how much an object may grow before its buffer is copied.
	headRoom = 128
)

// converter converts one object and appends it. src is JSON that was checked.
type converter func(dst []byte, src, to string) ([]byte, error)

// chunk is a run of objects of a batch.
type chunk struct {
	first   int
	objects []string
	bytes   int
}

// split cuts a batch into chunks of about the same number of bytes: one, if that is all that it is worth.
func split(objects []string, cores int) []chunk {
	total := 0
	for _, o := range objects {
		total += len(o)
	}
	if total < parallelBytes || cores < 2 || len(objects) < 2 {
		return []chunk{{objects: objects, bytes: total}}
	}
	limit := max(total/(cores*chunksPerCore), minChunkBytes)
	var chunks []chunk
	start, size := 0, 0
	for i, o := range objects {
		size += len(o)
		if size >= limit || i == len(objects)-1 {
			chunks = append(chunks, chunk{first: start, objects: objects[start : i+1], bytes: size})
			start, size = i+1, 0
		}
	}
	return chunks
}

// convertAll converts the objects of a review on all cores and returns the answer that it succeeded, in pieces. The
// first piece is appended to dst, and is the only one of a batch that is worth one core only. Of several bad objects
// the first is the error.
func convertAll(ctx context.Context, dst []byte, r review, convert converter) ([][]byte, error) {
	dst = appendHead(dst, r.uid)
	cores := runtime.GOMAXPROCS(0)
	chunks := split(r.objects, cores)
	if len(chunks) == 1 {
		dst, err := convertChunk(ctx, dst, chunks[0], r.to, convert)
		return [][]byte{appendTail(dst)}, err
	}
	pieces, errs := make([][]byte, len(chunks)), make([]error, len(chunks))
	var group errgroup.Group
	group.SetLimit(cores)
	for i, c := range chunks {
		group.Go(func() error {
			buffer := make([]byte, 0, c.bytes+c.bytes/16+headRoom*len(c.objects))
			if i > 0 {
				buffer = append(buffer, ',')
			}
			pieces[i], errs[i] = convertChunk(ctx, buffer, c, r.to, convert)
			return nil
		})
	}
	// The goroutines leave their errors in errs, so that the first object counts and not the first to fail.
	_ = group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat([][]byte{dst}, pieces, [][]byte{appendTail(nil)}), nil
}

func convertChunk(ctx context.Context, dst []byte, c chunk, to string, convert converter) (_ []byte, err error) {
	index := 0
	defer func() {
		if p := recover(); p != nil {
			object := describe(c.first+index, c.objects[index])
			logf.FromContext(ctx).WithName("conversion").Error(fmt.Errorf("panic: %v", p), "Conversion panicked", "object", object, "stack", string(debug.Stack()))
			err = failf(reasonPanic, "%s: the conversion panicked, which is a bug in cellfed: the manager's log has the stack", object)
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, object := range c.objects {
		index = i
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = convert(dst, object, to); err != nil {
			return nil, failf(reasonObject, "%s: %w", describe(c.first+i, object), err)
		}
	}
	return dst, nil
}
