"""Which tests concern a module, for its mutants; the module's own examples come on top.

The quickest test that knows most of a module comes first, as most mutants end there. Not listed are compiled
kernels, which have planted faults (`benchmarks.campaign.faults`), and modules without anything to change: an
`__init__.py` that only lists names, and `inference/traceable.py`, two methods that are always replaced.
"""

__all__ = ["TESTS"]

NETS = "tests/test_lowering.py tests/test_graph.py tests/test_image_nets.py tests/test_random_nets.py"
TENSORS = "tests/test_tensors.py tests/test_functions.py"
IMAGES = "tests/test_images.py tests/test_image_nets.py tests/test_images_torch.py"
BYTES = "tests/test_quantized_layers.py tests/test_quantized_primitives.py tests/test_defaults.py"
RULES = "tests/primitives/test_rules.py tests/test_image_nets.py"
RESPONSES = "tests/io/test_onnx_images.py tests/primitives/test_rules.py"
QUANTIZATION = "tests/quantization/test_quantize.py tests/quantization/test_verify.py"
CONFIG = "tests/io/test_config.py tests/test_defaults.py"
PLOTS = "tests/plot/test_plot.py"
READS = "tests/io/test_onnx_reader.py tests/io/test_onnx_semantics.py"
WRITES = "tests/io/test_onnx_traced.py tests/io/test_onnx_writer.py"
ONNX_IMAGES = "tests/io/test_onnx_images.py"
ONNX = f"{READS} {WRITES} {ONNX_IMAGES} tests/io/test_onnx_learning.py"
QUANTIZED = "tests/io/test_onnx_quantized.py"
KERAS_FILES = "tests/io/test_keras_files.py"
KERAS = (
    f"{KERAS_FILES} tests/io/test_keras_words.py tests/io/test_keras_h5.py"
    " tests/io/test_keras_archives.py tests/io/test_keras.py"
)
OPERATORS = "tests/operators tests/io/test_onnx_semantics.py tests/io/test_onnx_backend.py"
PYTHON = "tests/io/test_python.py tests/quantization/test_python.py"
TORCH = "tests/io/test_torch.py tests/test_images_torch.py"
TESTS = {  # of modules of tinytensor/ but kernels and what is data; and the module's own examples
    "threads.py": "tests/test_threads.py tests/test_workers.py",
    "workers.py": "tests/test_workers.py",
    "cache.py": "tests/test_cache.py tests/kernels/test_cache.py",
    "creation.py": "tests/test_creation.py",
    "tensors.py": "tests/test_tensors.py tests/test_astype.py",
    "mapping.py": "tests/test_mapping.py",
    "shaping.py": "tests/test_shaping.py tests/test_tensors.py",
    "reductions.py": "tests/test_reductions.py",
    "functions.py": "tests/test_functions.py tests/test_images.py",
    "initializers.py": "tests/test_initializers.py",
    "images.py": IMAGES,
    "padding.py": IMAGES,
    "pooling.py": IMAGES,
    "upsampling.py": "tests/test_images.py tests/test_images_torch.py",
    "windows.py": IMAGES,
    "numpy_protocol.py": "tests/test_numpy_protocol.py",
    "notebook.py": "tests/test_notebook.py",
    "inference/buffers.py": "tests/inference/test_buffers.py",
    "inference/plan.py": f"tests/test_lowering.py tests/test_plan.py tests/test_stale.py {NETS}",
    "inference/lowering.py": f"{NETS} tests/test_image_epilogue.py tests/test_sequential.py",
    "inference/emitter.py": f"{NETS} tests/test_profile.py tests/test_plan.py",
    "inference/program.py": f"tests/test_lowering.py tests/test_plan.py {NETS}",
    "inference/predict.py": "tests/test_predict.py tests/test_plan.py",
    "inference/samples.py": "tests/inference/test_samples.py tests/test_predict.py",
    "inference/sharing.py": "tests/inference/test_sharing.py tests/test_members.py",
    "inference/formulas.py": "tests/test_explain.py tests/test_summary.py",
    "inference/calls.py": "tests/test_layer.py tests/test_members.py tests/test_trace.py",
    "inference/bytes_lowering.py": BYTES,
    "inference/stepwise.py": "tests/test_stepwise.py tests/test_trace.py",
    "inference/profile.py": "tests/test_profile.py",
    "inference/summary.py": "tests/test_summary.py",
    "inference/explain.py": "tests/test_explain.py",
    "inference/trace.py": "tests/test_trace.py tests/test_stepwise.py",
    "inference/watch.py": "tests/test_watch.py tests/test_trace.py",
    "primitives/definition.py": "tests/primitives/test_refused.py tests/test_trace.py",
    "primitives/elementwise.py": f"tests/primitives/test_refused.py {TENSORS} {RULES}",
    "primitives/linear.py": "tests/test_linear.py tests/primitives/test_refused.py tests/test_lowering.py",
    "primitives/lookup.py": "tests/test_images.py tests/primitives/test_rules.py",
    "primitives/movement.py": f"tests/test_shaping.py {RULES}",
    "primitives/normalization.py": f"tests/test_layer_norm.py tests/test_batch_norm.py {RESPONSES}",
    "primitives/quantized.py": BYTES,
    "primitives/reductions.py": "tests/test_reductions.py tests/primitives/test_rules.py",
    "primitives/resizing.py": "tests/test_images.py tests/primitives/test_rules.py",
    "primitives/windows.py": "tests/test_profile.py tests/test_images.py tests/test_quantized_layers.py",
    "layers/activation.py": "tests/test_activations.py tests/test_layer.py",
    "layers/attributes.py": "tests/test_layer.py tests/test_members.py",
    "layers/avg_pool.py": f"tests/test_images.py {CONFIG}",
    "layers/batch_norm.py": f"tests/test_batch_norm.py {CONFIG}",
    "layers/conv.py": f"tests/test_images.py {CONFIG}",
    "layers/conv_transpose.py": f"tests/test_images.py {CONFIG}",
    "layers/elementwise.py": f"tests/test_elementwise.py {CONFIG}",
    "layers/embedding.py": f"tests/test_images.py {CONFIG}",
    "layers/graph.py": f"tests/test_graph.py {CONFIG}",
    "layers/layer.py": f"tests/test_layer.py tests/test_members.py tests/test_stale.py {CONFIG}",
    "layers/replacement.py": "tests/test_replacement.py tests/test_layer.py",
    "layers/layer_norm.py": f"tests/test_layer_norm.py {CONFIG}",
    "layers/linear.py": f"tests/test_linear.py {CONFIG}",
    "layers/max_pool.py": f"tests/test_images.py {CONFIG}",
    "layers/quantized.py": BYTES,
    "layers/quantized_avg_pool.py": BYTES,
    "layers/quantized_conv.py": BYTES,
    "layers/quantized_linear.py": BYTES,
    "layers/rescale.py": f"tests/test_rescale.py {CONFIG}",
    "layers/reshape.py": f"tests/test_reshape.py {CONFIG}",
    "layers/sequential.py": "tests/test_sequential.py tests/test_layer.py",
    "layers/state_dict.py": "tests/test_state_dict.py tests/test_members.py",
    **dict.fromkeys(
        (f"quantization/{name}.py" for name in (
            "analysis", "calibration", "domains", "emission", "quantize", "ranges",
            "recording", "report", "steps",
        )), QUANTIZATION
    ),
    "quantization/float_layers.py": f"tests/quantization/test_float_layers.py {QUANTIZATION}",
    "inference/model.py": "tests/test_plan.py tests/test_predict.py tests/test_trace.py",
    "inference/phases.py": "tests/inference/test_phases.py tests/test_image_nets.py",
    "inference/resize_lowering.py": f"tests/test_images.py {RULES}",
    "primitives/resampling.py": "tests/io/test_onnx_images.py tests/operators/test_operators.py",
    "layers/operator.py": "tests/operators/test_operators.py tests/io/test_onnx_images.py",
    "__init__.py": "tests/test_contents.py",
    "activations.py": "tests/test_activations.py",
    "warm.py": "tests/test_warm.py tests/commands/test_doctor.py",
    "inference/results.py": "tests/inference/test_samples.py tests/distributed/test_job.py",
    "inference/revision.py": "tests/test_stale.py tests/test_layer.py",
    "inference/state.py": "tests/test_stale.py tests/test_plan.py",
    "layers/chain.py": "tests/test_sequential.py tests/test_edges.py",
    "layers/channels.py": f"tests/test_images.py {CONFIG}",
    "layers/drawn.py": f"tests/test_linear.py tests/test_images.py {CONFIG}",
    "layers/dropout.py": f"tests/test_dropout.py {CONFIG}",
    "layers/flatten.py": f"tests/test_flatten.py {CONFIG}",
    "layers/global_pool.py": f"tests/test_images.py {CONFIG}",
    "layers/int8.py": BYTES,
    "layers/lambda_.py": "tests/test_lambda.py",
    "layers/lookup.py": BYTES,
    "layers/named_layers.py": "tests/test_sequential.py",
    "layers/pad.py": f"tests/test_images.py {CONFIG}",
    "layers/perceptron.py": "tests/test_perceptron.py",
    "layers/prelu.py": f"tests/test_prelu.py {CONFIG}",
    "layers/quantize.py": BYTES,
    "layers/quantized_add.py": BYTES,
    "layers/upsample.py": f"tests/test_images.py {CONFIG}",
    "models/mnist.py": "tests/test_trained_models.py",
    "models/pixels.py": "tests/test_trained_models.py",
    **dict.fromkeys((f"plot/{name}.py" for name in ("arrays", "curves", "images", "models", "style")), PLOTS),
    # files, operators, samples, clusters, commands
    "__main__.py": "tests/test_cli.py",
    "cli.py": "tests/test_cli.py",
    "contents.py": "tests/test_contents.py",
    "digits.py": "tests/test_digits.py tests/commands/test_predict.py",
    "elsewhere.py": "tests/test_contents.py",
    "errors.py": "tests/test_errors.py",
    "files.py": "tests/io/test_formats.py tests/io/test_foreign.py tests/io/test_npz.py",
    "lazy.py": "tests/test_contents.py",
    "text.py": "tests/test_contents.py tests/test_summary.py tests/test_cli.py",
    "io/__init__.py": "tests/test_contents.py",
    "io/archive.py": "tests/io/test_archive.py tests/io/test_npz.py tests/io/test_keras_archives.py",
    "io/atomic.py": "tests/io/test_atomic.py",
    "io/book.py": "tests/io/test_book.py",
    "io/compare.py": "tests/io/test_compare.py",
    "io/config.py": "tests/io/test_config.py tests/io/test_native.py",
    "io/content.py": "tests/io/test_book.py tests/io/test_pt.py tests/io/test_keras_archives.py",
    "io/expressions.py": f"{PYTHON} tests/io/test_onnx_traced.py",
    "io/fit.py": "tests/io/test_propose.py tests/io/test_weights.py",
    "io/foreign.py": "tests/io/test_foreign.py",
    "io/formats.py": f"tests/io/test_formats.py tests/io/test_foreign.py {KERAS_FILES}",
    "io/hdf5.py": "tests/io/test_keras_h5.py tests/io/test_keras_files.py tests/io/test_keras_archives.py",
    "io/named.py": "tests/io/test_propose.py tests/io/test_weights.py",
    "io/native.py": "tests/io/test_native.py",
    "io/npz.py": "tests/io/test_npz.py",
    "io/pickles.py": "tests/io/test_pt.py tests/io/test_book.py",
    "io/pooling.py": f"tests/io/test_python.py {WRITES} {QUANTIZED}",
    "io/propose.py": "tests/io/test_propose.py",
    "io/pt.py": "tests/io/test_pt.py",
    "io/references.py": "tests/io/test_compare.py",
    "io/rounding.py": f"tests/io/test_compare.py {TORCH}",
    "io/safetensors.py": "tests/io/test_safetensors.py tests/io/test_native.py",
    "io/sklearn.py": "tests/io/test_sklearn.py",
    "io/sklearn_graphs.py": "tests/io/test_sklearn.py",
    "io/tolerance.py": "tests/io/test_compare.py tests/quantization/test_verify.py",
    "io/traced.py": f"tests/io/test_onnx_traced.py {PYTHON} tests/io/test_onnx_writer.py",
    "io/weights.py": "tests/io/test_weights.py tests/io/test_propose.py",
    **{
        f"io/keras{name}.py": KERAS
        for name in ("", "_config", "_graph", "_images", "_layers", "_rows", "_source", "_weights")
    },
    **{f"io/torch{name}.py": TORCH for name in ("", "_images", "_modules", "_reading")},
    **{
        f"io/onnx/{name}.py": f"{READS} tests/io/test_onnx_traced.py {ONNX_IMAGES}"
        for name in ("choose", "patterns", "program", "reader", "shapes", "simplify")
    },
    "io/onnx/activations.py": READS,
    "io/onnx/assemble.py": f"{READS} {WRITES}",
    "io/onnx/changes.py": f"tests/io/test_onnx_semantics.py tests/io/test_onnx_backend.py {ONNX_IMAGES}",
    "io/onnx/external.py": "tests/io/test_onnx_reader.py",
    "io/onnx/image_rules.py": f"tests/io/test_onnx_writer.py {ONNX_IMAGES}",
    "io/onnx/learning.py": "tests/io/test_onnx_learning.py tests/io/test_onnx_semantics.py",
    "io/onnx/moves.py": f"{WRITES} {ONNX_IMAGES}",
    "io/onnx/nodes.py": WRITES,
    "io/onnx/rules.py": WRITES,
    "io/onnx/scalars.py": WRITES,
    "io/onnx/semantics.py": "tests/io/test_onnx_semantics.py tests/io/test_onnx_reader.py",
    "io/onnx/tensors.py": READS,
    "io/onnx/trace_writer.py": f"{WRITES} {ONNX_IMAGES}",
    "io/onnx/windows.py": ONNX_IMAGES,
    "io/onnx/wire.py": READS,
    "io/onnx/writer.py": f"tests/io/test_onnx_writer.py tests/io/test_onnx_traced.py {QUANTIZED}",
    **{
        f"io/onnx/{name}.py": QUANTIZED
        for name in (
            "microsoft", "quantized", "quantized_products", "quantized_rules", "quantized_values"
        )
    },
    **{
        f"io/tflite/{name}.py": "tests/io/test_tflite.py"
        for name in ("flatbuffer", "model", "operations", "reader", "steps", "windows")
    },
    **{
        f"io/python/{name}.py": PYTHON
        for name in (
            "functions", "images", "library", "operators", "program", "quantized", "rules", "scalars",
            "writer",
        )
    },
    **{
        f"operators/{name}.py": OPERATORS
        for name in (
            "activations", "arithmetic", "definition", "einstein", "elementwise", "folds", "image_shapes",
            "images", "inference", "movement", "normalization", "pads", "pixels", "positions",
            "reduction", "resampling", "samples", "shape", "table",
        )
    },
    "operators/lookup.py": "tests/io/test_onnx_learning.py tests/operators tests/io/test_onnx_semantics.py",
    "operators/quantized.py": f"tests/operators {QUANTIZED}",
    **{
        f"samples/{name}.py": "tests/commands/test_predict.py tests/commands/test_mnist.py"
        for name in ("__init__", "arrays", "csv", "idx", "options", "parquet", "pictures", "prepared")
    },
    "datasets/download.py": "tests/datasets/test_download.py",
    "datasets/idx.py": "tests/datasets/test_idx.py",
    "datasets/mnist.py": "tests/datasets/test_mnist.py",
    "datasets/published.py": "tests/datasets/test_published.py",
    "distributed/carried.py": "tests/distributed/test_dask.py",
    "distributed/cluster.py": "tests/distributed/test_cluster.py tests/distributed/test_job.py",
    "distributed/dask.py": "tests/distributed/test_dask.py",
    "distributed/inputs.py": "tests/distributed/test_job.py",
    "distributed/job.py": "tests/distributed/test_job.py",
    "distributed/outputs.py": "tests/distributed/test_job.py",
    "distributed/ray.py": "tests/distributed/test_ray.py",
    "distributed/spark.py": "tests/distributed/test_spark.py",
    "commands/answers.py": "tests/commands/test_predict.py",
    "commands/arguments.py": "tests/commands/test_mnist.py tests/commands/test_predict.py tests/test_cli.py",
    "commands/group.py": "tests/test_cli.py",
    "commands/picture.py": "tests/test_cli.py tests/commands/test_mnist.py",
    "commands/plot.py": "tests/plot/test_plot.py",
    "commands/tables.py": "tests/commands/test_summary.py tests/commands/test_inspect.py",
    "commands/terminal.py": "tests/test_cli.py",
    "commands/warmup.py": "tests/commands/test_doctor.py",
    **{
        f"commands/{name}.py": f"tests/commands/test_{name}.py"
        for name in (
            "convert", "demo", "doctor", "explain", "inspect", "mnist", "predict", "quantize", "summary",
            "verify",
        )
    },
    "serve/app.py": "tests/serve/test_app.py",
    "serve/guard.py": "tests/serve/test_app.py",
    "serve/reader.py": "tests/serve/test_app.py",
}  # fmt: skip
