# The embedded engines on a CPU. Models go into a volume at /models; a configuration file is given as for the command line:
#   docker run --network host -v ./models:/models -v ./config:/config voicechat serve --config /config/kiosk.yaml
# It then answers this machine only. For others it wants a key and TLS, or a proxy that has it:
#   docker run --network host -e VOICECHAT_KEYS -e HEALTH=https://127.0.0.1:8080/healthz -v ./tls:/tls voicechat \
#     serve --host 0.0.0.0 --tls-cert /tls/server.pem --tls-key /tls/server.key
# WebRTC needs the host's network (or UDP ports published one to one), since its answers name the machine's addresses.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY voicechat voicechat
RUN python -m venv /opt/voicechat \
 && /opt/voicechat/bin/pip install --no-cache-dir -c constraints.txt '.[piper]'

FROM python:3.11-slim-bookworm
COPY --from=build /opt/voicechat /opt/voicechat
RUN useradd --system --create-home voicechat
USER voicechat
ENV OMP_NUM_THREADS=1 \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONUNBUFFERED=1 \
    VOICECHAT__MODELS__ROOT=/models \
    HEALTH=http://127.0.0.1:8080/healthz
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s CMD \
    ["/opt/voicechat/bin/python", "-c", \
    "import os, ssl, urllib.request as u; u.urlopen(os.environ['HEALTH'], timeout=2, context=ssl._create_unverified_context())"]
ENTRYPOINT ["/opt/voicechat/bin/python", "-m", "voicechat"]
CMD ["serve"]
