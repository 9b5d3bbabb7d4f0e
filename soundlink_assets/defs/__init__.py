"""Your own assets: what `dg scaffold defs` puts here is loaded beside ours."""
