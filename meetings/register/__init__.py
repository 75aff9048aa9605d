"""The register (股东名册): from a file to holders, whole or not at all."""
