"""A registered version for use elsewhere: a wheel, a Bento, a container's context, or an ONNX file."""
