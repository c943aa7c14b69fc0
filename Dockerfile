# digitalme as a service: docker build -t digitalme . && docker run -p 127.0.0.1:8321:8321 -v digitalme:/data \
#   -v ./tokens:/tokens:ro digitalme        (tokens: lines of `owner token`)
FROM python:3.12-slim
RUN useradd --create-home --uid 10001 digitalme && mkdir /data && chown digitalme /data
COPY . /src
RUN python /src/tools/set_up.py /opt/digitalme --extra serve --extra tts --extra content \
    && /opt/digitalme/bin/python -m pip install --no-deps --no-cache-dir --force-reinstall /src \
    && rm -rf /src
USER digitalme
ENV PATH=/opt/digitalme/bin:$PATH XDG_DATA_HOME=/data/keys NUMBA_CACHE_DIR=/data/numba MPLCONFIGDIR=/data/matplotlib
VOLUME /data
EXPOSE 8321
HEALTHCHECK --interval=30s --timeout=5s \
    CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8321/health', timeout=4)"
CMD ["digitalme", "serve", "--folder", "/data", "--host", "0.0.0.0", "--tokens", "/tokens"]
